"""A trace as one self-contained HTML page: rate over time, distribution and autocorrelation. Needs plotly."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from grace_netsim.errors import TraceError
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_netsim.trace.stats import BINS_PER_S, autocorrelation, bins_of

COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf")


def plot_html(traces: Mapping[str, OpportunityTrace]) -> str:
    """The page; TraceError where plotly is not installed."""
    try:
        from plotly import graph_objects as go
        from plotly.subplots import make_subplots
    except ImportError as error:
        raise TraceError("plotting needs plotly; install it with: pip install 'grace-rtc[lab]'") from error
    figure = make_subplots(
        rows=2,
        cols=2,
        specs=[[{"colspan": 2}, None], [{}, {}]],
        subplot_titles=("Rate of each 100 ms", "Share of 100 ms steps at or below a rate", "Autocorrelation"),
    )
    for (name, trace), colour in zip(traces.items(), COLOURS * len(traces), strict=False):
        bins = bins_of(trace)
        lags = np.arange(1, min(10 * BINS_PER_S, len(bins)))
        curves = (
            (1, 1, np.arange(len(bins)) / BINS_PER_S, bins, "hv"),
            (2, 1, np.sort(bins), np.arange(1, len(bins) + 1) / len(bins), "hv"),
            (2, 2, lags / BINS_PER_S, [autocorrelation(bins, int(lag)) for lag in lags], "linear"),
        )
        for row, col, x, y, shape in curves:
            line = {"color": colour, "shape": shape, "width": 1.5}
            figure.add_trace(
                go.Scatter(x=x, y=y, name=name, legendgroup=name, showlegend=row == 1, line=line, mode="lines"),
                row=row,
                col=col,
            )
    figure.update_xaxes(title_text="s", row=1, col=1)
    figure.update_yaxes(title_text="Mbit/s", row=1, col=1)
    figure.update_xaxes(title_text="Mbit/s", row=2, col=1)
    figure.update_xaxes(title_text="lag, s", row=2, col=2)
    figure.update_layout(title=", ".join(traces), height=800, template="plotly_white")
    return str(figure.to_html(include_plotlyjs=True, full_html=True))
