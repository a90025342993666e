"""Charts over all calls of a run, by plotly: quality against smoothness (paper Figure 14), means, distributions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from grace_codec.evaluation.quality import ssim_to_db
from grace_lab.log.schema import SessionLog
from grace_lab.metrics.frames import LATE_US, frame_outcomes
from grace_lab.report.results import Call
from grace_lab.report.tables import TITLES, mean, written

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Okabe and Ito: told apart by everyone."""
CDF_POINTS: Final = 201
BARS: Final = ("p98_delay_ms", "non_rendered_ratio", "stalls_per_s", "stall_ratio")


class Distributions:
    """Frame delays and SSIM of all calls of a series; only sorted numbers are kept of each log."""

    def __init__(self) -> None:
        self._delays_ms: dict[str, list[float]] = {}
        self._ssim_db: dict[str, list[float]] = {}

    def add(self, series: str, log: SessionLog) -> None:
        """Add the frames of one call."""
        frames = frame_outcomes(log)
        delays = (frame.delay_us / 1000 if frame.delay_us is not None else math.inf for frame in frames)
        self._delays_ms.setdefault(series, []).extend(delays)
        seen = (ssim_to_db(f.ssim) for f in frames if f.in_time and f.ssim is not None)
        self._ssim_db.setdefault(series, []).extend(seen)

    def delay_chart(self, colours: Mapping[str, str]) -> str | None:
        """Share of the captured frames on the screen within a time; frames never shown keep a curve below 100 %."""
        figure = _cdf_chart(self._delays_ms, colours, "frame delay (ms)", "share of captured frames")
        if figure is None:
            return None
        figure.update_xaxes(range=[0, 1000])
        figure.add_vline(x=LATE_US / 1000, line={"color": "#888", "dash": "dot"})
        return _as_json(figure)

    def ssim_chart(self, colours: Mapping[str, str]) -> str | None:
        """Share of the rendered frames up to an SSIM."""
        figure = _cdf_chart(self._ssim_db, colours, "SSIM of a rendered frame (dB)", "share of rendered frames")
        return None if figure is None else _as_json(figure)


def colour_of(series: Iterable[str]) -> dict[str, str]:
    """A colour for each series, in order of first appearance."""
    names = list(dict.fromkeys(series))
    return {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}


def quality_chart(calls: Sequence[Call], colours: Mapping[str, str]) -> str | None:
    """Mean SSIM against stall ratio: a large mark per series, a small one per call. None without any SSIM."""
    figure = _chart("stall ratio (%)", "SSIM (dB)").update_xaxes(rangemode="tozero")
    drawn = False
    for series, colour in colours.items():
        members = [c for c in calls if c.series == series and c.number("ssim_db") is not None]
        if members:
            drawn = True
            _add_points(figure, members, colour, series, size=5)
            _add_mean(figure, members, colour, series)
    return _as_json(figure) if drawn else None


def bars_chart(calls: Sequence[Call], colours: Mapping[str, str]) -> str:
    """Realtimeness and smoothness (paper Figure 15): the mean over the calls of each series."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=1, cols=len(BARS), subplot_titles=[TITLES[name] for name in BARS])
    for column, name in enumerate(BARS, 1):
        scale = 100 if name.endswith("_ratio") else 1
        values = [mean([c for c in calls if c.series == series], name) for series in colours]
        figure.add_trace(
            go.Bar(
                x=list(colours),
                y=[None if value is None else scale * value for value in values],
                text=[written(name, value) for value in values],
                marker_color=list(colours.values()),
                showlegend=False,
                hoverinfo="x+text",
            ),
            row=1,
            col=column,
        )
        figure.update_yaxes(ticksuffix=" %" if scale == 100 else "", rangemode="tozero", row=1, col=column)
    figure.update_annotations(font_size=13)
    return _as_json(_styled(figure))


def _add_points(figure: Any, members: Sequence[Call], colour: str, series: str, size: int) -> None:
    figure.add_scatter(
        x=[100 * (call.number("stall_ratio") or 0) for call in members],
        y=[call.number("ssim_db") for call in members],
        text=[f"{call.video}, {call.trace}" for call in members],
        mode="markers",
        marker={"color": colour, "size": size, "opacity": 0.45},
        name=series,
        legendgroup=series,
        showlegend=False,
        hovertemplate="%{text}<br>stall ratio %{x:.2f} %, SSIM %{y:.2f} dB<extra>" + _plain(series) + "</extra>",
    )


def _add_mean(figure: Any, members: Sequence[Call], colour: str, series: str) -> None:
    figure.add_scatter(
        x=[100 * (mean(members, "stall_ratio") or 0)],
        y=[mean(members, "ssim_db")],
        mode="markers",
        marker={"color": colour, "size": 16, "symbol": "diamond", "line": {"color": "white", "width": 1}},
        name=f"{series} (mean of {len(members)})",
        legendgroup=series,
        hovertemplate="mean: stall ratio %{x:.2f} %, SSIM %{y:.2f} dB<extra>" + _plain(series) + "</extra>",
    )


def _cdf_chart(values: Mapping[str, list[float]], colours: Mapping[str, str], x: str, y: str) -> Any | None:
    figure = _chart(x, y)
    for series, numbers in values.items():
        if numbers:
            quantiles, shares = cdf(numbers)
            line = {"color": colours[series], "width": 2}
            figure.add_scatter(x=quantiles, y=shares, mode="lines", line=line, name=series)
    figure.update_yaxes(range=[0, 100], ticksuffix=" %")
    return figure if figure.data else None


def cdf(numbers: Sequence[float]) -> tuple[list[float], list[float]]:
    """At most CDF_POINTS points (value, share in %) of the distribution; infinite values count but are not drawn."""
    ordered = sorted(numbers)
    ranks = sorted({round(k * (len(ordered) - 1) / (CDF_POINTS - 1)) for k in range(CDF_POINTS)})
    finite = [rank for rank in ranks if math.isfinite(ordered[rank])]
    return [round(ordered[r], 3) for r in finite], [round(100 * (r + 1) / len(ordered), 3) for r in finite]


def _chart(x: str, y: str) -> Any:
    import plotly.graph_objects as go

    return _styled(go.Figure()).update_xaxes(title_text=x).update_yaxes(title_text=y)


def _styled(figure: Any) -> Any:
    figure.update_layout(
        template="plotly_white",
        font={"family": "system-ui, sans-serif", "size": 13},
        margin={"l": 60, "r": 20, "t": 40, "b": 50},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        height=420,
    )
    return figure


def _plain(text: str) -> str:
    """Text that plotly's templates leave alone."""
    return text.replace("<", "").replace("%{", "{")


def _as_json(figure: Any) -> str:
    return str(figure.to_json())
