"""Puts a run on one HTML page: one file that needs no network and stays below 15 MB."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from grace_codec.schemes import SCHEMES
from grace_lab.errors import ReportError
from grace_lab.metrics import METRICS
from grace_lab.report.agreement import agreement_chart, compared, pairs
from grace_lab.report.charts import Distributions, bars_chart, colour_of, quality_chart
from grace_lab.report.provenance import read_provenance
from grace_lab.report.results import Call, read_run, settings_text
from grace_lab.report.tables import COLUMNS, TITLES, means
from grace_lab.report.timeline import Series, timeline

MAX_TIMELINE_POINTS: Final = 250_000
"""Frames drawn over all calls together: about 25 bytes each, so that the page stays below 15 MB (plotly.js is 5)."""
MAX_POINTS_PER_CALL: Final = 1500
VIDEOS: Final = ("sidebyside.mp4", "received.mp4")
"""Videos of a demo, shown on the page if they lie beside it."""
NamedTimeline = dict[str, str | Series | Sequence[list[float]]]
TEMPLATE: Final = "page.html.j2"


def write_report(folder: Path, out: Path, now: datetime | None = None) -> None:
    """Read `folder` (results.json, logs/, run.json) and write one HTML file. `now` is the date on the page.

    Raises ReportError or LogError where the folder holds no readable run, or `out` cannot be written."""
    calls = read_run(folder)
    page = render(calls, folder, (now or datetime.now().astimezone()).isoformat(sep=" ", timespec="seconds"))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{out}: cannot be written ({error.strerror or error}); give another --out") from error


def render(calls: list[Call], folder: Path, date: str) -> str:
    """The page as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    lab = [call for call in calls if not call.live]
    colours = colour_of(call.series for call in calls)
    timelines, distributions = _read_logs(calls)
    charts = {
        "quality": quality_chart(calls, colours),
        "bars": bars_chart(calls, colours),
        "delay": distributions.delay_chart(colours),
        "ssim": distributions.ssim_chart(colours),
        "agreement": agreement_chart(calls),
    }
    environment = Environment(loader=PackageLoader("grace_lab", "report"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template(TEMPLATE).render(
        calls=calls,
        colours=colours,
        columns=[(TITLES[name], METRICS[name].description) for name in COLUMNS],
        by_series=means(calls, lambda call: (call.series,)),
        by_trace=means(calls, lambda call: (call.series, call.trace)),
        by_call=means(calls, lambda call: (call.series, call.video, call.trace, call.text("seed"))),
        charts={name: _script_safe(text) for name, text in charts.items() if text is not None},
        timelines=_script_safe(json.dumps(timelines, separators=(",", ":"))),
        timelines_count=len(timelines),
        agreement=[compared(pair) for pair in pairs(calls)],
        live=[call.live for call in calls],
        too_slow={c.series: f"{n:.0f}" for c in calls if c.live and (n := c.number("frames_too_slow") or 0)},
        videos=[name for name in VIDEOS if (folder / name).is_file()],
        facts=read_provenance(folder),
        settings=sorted({settings_text(call.row) for call in calls}),
        idealised={name: SCHEMES[name].idealised for name in _schemes(lab) if name in SCHEMES},
        pixelless=[name for name in _schemes(lab) if name in SCHEMES and not SCHEMES[name].pixels],
        date=date,
        plotly_js=get_plotlyjs(),
    )


def _read_logs(calls: list[Call]) -> tuple[list[NamedTimeline], Distributions]:
    """Each log is read once. What is kept of it does not grow with its length."""
    points = max(100, min(MAX_POINTS_PER_CALL, MAX_TIMELINE_POINTS // len(calls)))
    distributions = Distributions()
    timelines: list[NamedTimeline] = []
    for call in calls:
        log = call.log()
        if log is not None:
            distributions.add(call.series, log)
            name = f"{call.series} · {call.video} · {call.trace} · seed {call.text('seed')}"
            timelines.append({"name": name, **timeline(log, points)})
    return timelines, distributions


def _schemes(calls: list[Call]) -> list[str]:
    return list(dict.fromkeys(call.text("scheme") for call in calls))


def _script_safe(text: str) -> str:
    """JSON that can stand inside a script element: no tag can begin in it."""
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
