"""Lab and life side by side, as in the paper's Figure 24 (C.3): the same call in virtual time and between processes.

Pairs the calls that belong together, says whether they agree within bounds, and draws both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from grace_codec.evaluation.quality import ssim_to_db
from grace_lab.log.schema import SessionLog
from grace_lab.metrics.frames import frame_outcomes
from grace_lab.report.results import Call
from grace_lab.report.tables import TITLES, written

BIN_US: Final = 500_000
LIVE_COLOUR: Final = "#d55e00"
LAB_COLOUR: Final = "#0072b2"


@dataclass(frozen=True, slots=True)
class Bound:
    """The largest difference between lab and life: absolute in the metric's unit, or a share of the live value."""

    absolute: float | None = None
    share: float | None = None

    def __str__(self) -> str:
        return f"± {100 * self.share:g} %" if self.share is not None else f"± {self.absolute:g}"

    def met(self, live: float, lab: float) -> bool:
        """Whether the two values are within the bound."""
        limit = self.share * abs(live) if self.share is not None else self.absolute
        return limit is not None and abs(lab - live) <= limit


BOUNDS: Final = {"p50_delay_ms": Bound(absolute=15), "bitrate_bps": Bound(share=0.05), "ssim_db": Bound(absolute=0.5)}
ALSO: Final = ("p98_delay_ms", "non_rendered_ratio", "stall_ratio", "packet_loss_ratio")
"""Shown without a bound: tails of a single call differ by chance."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A live call and its twin in the lab."""

    live: Call
    lab: Call

    @property
    def name(self) -> str:
        """Scheme, video and trace."""
        return f"{self.live.text('scheme')} · {self.live.video} · {self.live.trace}"


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """One line of the table, as text. `met` is False where there is no bound."""

    title: str
    live: str
    lab: str
    difference: str
    wanted: str
    verdict: str
    met: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """The table of a pair."""

    name: str
    lines: tuple[ComparedLine, ...]

    @property
    def agree(self) -> bool:
        """Within every bound."""
        return all(line.met for line in self.lines if line.wanted)


def pairs(calls: Sequence[Call]) -> list[Pair]:
    """Every live call with the lab's call of the same scheme, video, trace and seed, where there is one."""
    lab = {_cell(call): call for call in calls if not call.live}
    return [Pair(call, lab[_cell(call)]) for call in calls if call.live and _cell(call) in lab]


def _cell(call: Call) -> tuple[str, ...]:
    return tuple(call.text(name) for name in ("scheme", "video", "trace", "seed"))


def compared(pair: Pair) -> Compared:
    """Compare the metrics of a pair."""
    return Compared(pair.name, tuple(_line(pair, metric) for metric in (*BOUNDS, *ALSO)))


def _line(pair: Pair, metric: str) -> ComparedLine:
    live, lab = pair.live.number(metric), pair.lab.number(metric)
    bound = BOUNDS.get(metric)
    wanted = "" if bound is None else str(bound)
    texts = TITLES[metric], written(metric, live), written(metric, lab)
    if live is None or lab is None:
        return ComparedLine(*texts, "–", wanted, "cannot be told" if bound else "", False)
    met = bound is not None and bound.met(live, lab)
    verdict = "" if bound is None else "agree" if met else "differ"
    return ComparedLine(*texts, _difference(metric, live, lab, bound), wanted, verdict, met)


def _difference(metric: str, live: float, lab: float, bound: Bound | None) -> str:
    if bound is not None and bound.share is not None:
        return f"{100 * (lab - live) / live:+.1f} %" if live else "–"
    sign = "+" if lab >= live else "−"
    return sign + written(metric, abs(lab - live))


def agreement_chart(calls: Sequence[Call]) -> str | None:
    """Bitrate, frame delay and SSIM over time, live and lab overlaid; of the first pair. None without one."""
    found = pairs(calls)
    logs = (found[0].live.log(), found[0].lab.log()) if found else (None, None)
    if logs[0] is None or logs[1] is None:
        return None
    from plotly.subplots import make_subplots

    titles = ("sent (kbit/s)", "frame delay (ms)", "SSIM (dB)")
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.07, subplot_titles=titles)
    for name, colour, log in (("live", LIVE_COLOUR, logs[0]), ("lab", LAB_COLOUR, logs[1])):
        for row, points in enumerate((_bitrate(log), _delay(log), _ssim(log)), 1):
            times, values = [at for at, _ in points], [value for _, value in points]
            style = {"color": colour, "width": 2}
            options = {"name": name, "legendgroup": name, "showlegend": row == 1, "line": style, "mode": "lines"}
            figure.add_scatter(x=times, y=values, row=row, col=1, **options)
    return _finished(figure)


def _finished(figure: Any) -> str:
    figure.update_layout(
        template="plotly_white",
        font={"family": "system-ui, sans-serif", "size": 13},
        margin={"l": 60, "r": 20, "t": 40, "b": 50},
        legend={"orientation": "h", "y": 1.05, "yanchor": "bottom"},
        height=640,
    )
    figure.update_xaxes(title_text="time (s)", row=3, col=1).update_yaxes(rangemode="tozero")
    return str(figure.to_json())


def _bitrate(log: SessionLog) -> list[tuple[float, float | None]]:
    """kbit/s per half second."""
    sums: dict[int, int] = {}
    for event in log.named("packet_sent"):
        if event.text("kind") != "feedback":
            sums[event.at_us // BIN_US] = sums.get(event.at_us // BIN_US, 0) + event.integer("bytes")
    return [(bin_ * BIN_US / 1e6, sums.get(bin_, 0) * 8000 / BIN_US) for bin_ in range(max(sums, default=-1) + 1)]


def _delay(log: SessionLog) -> list[tuple[float, float | None]]:
    """Of each frame, by its capture; a gap where it was never shown."""
    frames = frame_outcomes(log)
    return [(f.captured_us / 1e6, None if f.delay_us is None else round(f.delay_us / 1000, 1)) for f in frames]


def _ssim(log: SessionLog) -> list[tuple[float, float | None]]:
    frames = frame_outcomes(log)
    return [(f.captured_us / 1e6, None if f.ssim is None else round(ssim_to_db(f.ssim), 2)) for f in frames]
