"""Rate-distortion charts of an evaluation. Owns their looks; measures nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from grace_codec.errors import BackendError
from grace_codec.evaluation.rate_distortion import Evaluation
from grace_codec.types import Plane

_COLOURS = {"grace": (180, 60, 20), "h264": (60, 140, 60), "h265": (40, 40, 200), "vp8": (150, 60, 150)}  # BGR
_WIDTH, _HEIGHT, _MARGIN = 480, 360, 56  # of a panel, in pixels
_COLUMNS = 3

Curve = list[tuple[float, float]]  # (kbit/s, SSIM dB)


def curves(result: Evaluation) -> dict[str, Curve]:
    """By codec: one clip's (kbit/s, SSIM dB) without loss, in order of rate."""
    points = {"grace": result.clean_points()}
    points |= {name: list(comparison.points) for name, comparison in result.against.items()}
    return {name: sorted((p.kbps, p.ssim_db) for p in of_codec) for name, of_codec in points.items()}


def write_chart(path: Path, results: Mapping[str, Evaluation]) -> None:
    """One panel per clip: SSIM dB over kbit/s on a log axis; .html is interactive, .png an image. BackendError for
    other names, or where the file cannot be written."""
    if path.suffix == ".html":
        _write_html(path, results)
    elif path.suffix == ".png":
        _write_png(path, results)
    else:
        raise BackendError(f"{path}: charts are .html or .png")


def _write_html(path: Path, results: Mapping[str, Evaluation]) -> None:
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    rows = -(-len(results) // _COLUMNS)
    figure = make_subplots(rows, min(_COLUMNS, len(results)), subplot_titles=list(results))
    for at, result in enumerate(results.values()):
        for name, curve in curves(result).items():
            b, g, r = _COLOURS[name]
            line = go.Scatter(
                x=[x for x, _ in curve],
                y=[y for _, y in curve],
                name=name,
                legendgroup=name,
                showlegend=at == 0,
                mode="lines+markers",
                line_color=f"rgb({r},{g},{b})",
            )
            figure.add_trace(line, at // _COLUMNS + 1, at % _COLUMNS + 1)
    figure.update_xaxes(type="log", title="kbit/s")
    figure.update_yaxes(title="SSIM dB")
    figure.write_html(path)


def _write_png(path: Path, results: Mapping[str, Evaluation]) -> None:
    import cv2

    columns = min(_COLUMNS, len(results))
    rows = -(-len(results) // columns)
    sheet = np.full((rows * _HEIGHT, columns * _WIDTH, 3), 255, np.uint8)
    for at, (clip, result) in enumerate(results.items()):
        y, x = at // columns * _HEIGHT, at % columns * _WIDTH
        _panel(sheet[y : y + _HEIGHT, x : x + _WIDTH], clip, curves(result))
    if not cv2.imwrite(str(path), sheet):
        raise BackendError(f"{path}: cannot be written")


def _panel(sheet: Plane, title: str, by_codec: Mapping[str, Curve]) -> None:
    import cv2

    points = np.array([point for curve in by_codec.values() for point in curve])
    low, high = np.log(points[:, 0]).min() - 0.05, np.log(points[:, 0]).max() + 0.05
    bottom, top = np.floor(points[:, 1].min()), np.ceil(points[:, 1].max())

    def place(kbps: float, ssim: float) -> tuple[int, int]:
        x = _MARGIN + (np.log(kbps) - low) / (high - low) * (_WIDTH - 2 * _MARGIN)
        return round(x), round(_HEIGHT - _MARGIN - (ssim - bottom) / (top - bottom) * (_HEIGHT - 2 * _MARGIN))

    def text(words: str, at: tuple[int, int], colour: tuple[int, int, int] = (40, 40, 40)) -> None:
        cv2.putText(sheet, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)

    cv2.rectangle(sheet, (_MARGIN, _MARGIN), (_WIDTH - _MARGIN, _HEIGHT - _MARGIN), (200, 200, 200), 1)
    text(title, (_MARGIN, 20))
    for ssim in np.linspace(bottom, top, 5):
        text(f"{ssim:.1f}", (12, place(np.exp(low), ssim)[1] + 4))
    for kbps in np.exp(np.linspace(low, high, 4)):
        text(f"{kbps:.0f}k", (place(kbps, bottom)[0] - 14, _HEIGHT - _MARGIN + 18))
    for row, (name, curve) in enumerate(by_codec.items()):
        line = np.array([place(*point) for point in curve], np.int32)
        cv2.polylines(sheet, [line], False, _COLOURS[name], 2, cv2.LINE_AA)
        text(name, (_MARGIN + 8, _MARGIN + 16 + 15 * row), _COLOURS[name])
