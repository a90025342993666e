"""Figures of a demo's calls: summary.json, the table on the terminal, and one sentence about both.

Owns names, order and words. All figures are functions of the merged log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rich.table import Table

from grace_lab.log.schema import SessionLog
from grace_lab.metrics import measure
from grace_receiver.events import LossReason
from grace_rtc.demo.settings import PLAIN, title
from grace_sender.events import SkipReason

Value = int | float | str | None
Figures = dict[str, Value]

ROWS: Final[Mapping[str, tuple[str, str]]] = {
    "frames_sent": ("pictures sent", "{:.0f}"),
    "frames_rendered": ("… shown in time (within 0.4 s)", "{:.0f}"),
    "partial_frames": ("… of them from a part of their packets", "{:.0f}"),
    "non_rendered_ratio": ("never shown, or too late", "{:.1%}"),
    "frames_too_slow": ("left out because this machine was too slow", "{:.0f}"),
    "stall_ratio": ("time the picture stood still", "{:.1%}"),
    "p50_delay_ms": ("delay, camera to screen: usual", "{:.0f} ms"),
    "p98_delay_ms": ("… and at its worst (98 % are faster)", "{:.0f} ms"),
    "ssim_db": ("likeness of what was shown (SSIM)", "{:.1f} dB"),
    "bitrate_bps": ("sent over the network", "{:.0f} kbit/s"),
    "packet_loss_ratio": ("packets that the network lost", "{:.1%}"),
    "resyncs": ("repairs without a key frame", "{:.0f}"),
}
"""Figure -> what a newcomer reads, and how it is written."""


TOO_SLOW: Final = frozenset({SkipReason.ENCODER_TOO_SLOW.value, LossReason.DECODER_TOO_SLOW.value})
BUSY: Final = 0.03
"""Share of the frames from which on a call says more about the machine than about the network."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent in a call: the size and rate it ended with."""

    width: int
    height: int
    fps: float
    profile: str


def figures_of(log: SessionLog, sent: Sent) -> Figures:
    """The figures of one call, by the names of summary.json."""
    measured = measure(log)
    captured, skipped = measured["frames_captured"] or 0, measured["frames_skipped"] or 0
    return {
        "frames_captured": int(captured),
        "frames_sent": int(captured - skipped),
        "frames_rendered": int(measured["frames_rendered"] or 0),
        "partial_frames": int(measured["frames_partial"] or 0),
        "resyncs": int(measured["resyncs"] or 0),
        "frames_too_slow": frames_too_slow(log),
        **{name: _rounded(measured[name]) for name in _FLOATS},
        "fps": sent.fps,
        "width": sent.width,
        "height": sent.height,
        "profile": sent.profile,
    }


def frames_too_slow(log: SessionLog) -> int:
    """Frames that the encoder or the decoder had no time for: a busy machine, no fault of network or codec."""
    left_out = [*log.named("frame_skipped"), *log.named("frame_lost")]
    return sum(event.text("reason") in TOO_SLOW for event in left_out)


_FLOATS: Final = (
    "non_rendered_ratio", "p50_delay_ms", "p98_delay_ms", "stall_ratio", "stalls_per_s", "ssim_db", "psnr_db",
    "bitrate_bps", "packet_loss_ratio",
)  # fmt: skip


def summary(facts: Mapping[str, Value], calls: Mapping[str, Figures]) -> dict[str, object]:
    """What summary.json holds: the figures of the first scheme at the top, and those of each under its name."""
    first, figures = next(iter(calls.items()))
    return {**facts, "scheme": first, **figures, "schemes": dict(calls)}


def table(calls: Mapping[str, Figures]) -> Table:
    """A line per figure, a column per scheme."""
    shown = Table("", *(title(scheme) for scheme in calls), box=None, pad_edge=False, header_style="bold")
    for column in shown.columns[1:]:
        column.justify = "right"
    for name, (text, form) in ROWS.items():
        if any(figures.get(name) for figures in calls.values()):
            shown.add_row(text, *(_written(name, figures.get(name), form) for figures in calls.values()))
    return shown


def verdict(calls: Mapping[str, Figures]) -> str:
    """One sentence: who stood still for how long, and what it cost."""
    ours = [scheme for scheme in calls if scheme not in PLAIN]
    plain = [scheme for scheme in calls if scheme in PLAIN]
    if not ours or not plain:
        return " ".join(_alone(scheme, figures) for scheme, figures in calls.items())
    return _against(ours[0], calls[ours[0]], plain[0], calls[plain[0]])


def warning(calls: Mapping[str, Figures]) -> str:
    """What a reader must know before believing the figures; empty where nothing is."""
    busy = [
        f"{_number(figures, 'frames_too_slow'):.0f} pictures of {title(scheme)}"
        for scheme, figures in calls.items()
        if _number(figures, "frames_too_slow") > BUSY * max(1.0, _number(figures, "frames_captured"))
    ]
    if not busy:
        return ""
    advice = "end other programs, or give a smaller --size or --fps"
    return f"This machine was too busy: it had no time for {' and '.join(busy)}; {advice}."


def _alone(scheme: str, figures: Figures) -> str:
    still, missing = _percent(figures, "stall_ratio"), _percent(figures, "non_rendered_ratio")
    return f"{title(scheme)} stood still {still} of the time; {missing} of its pictures came too late or never."


def _against(ours: str, mine: Figures, plain: str, other: Figures) -> str:
    """Says what is better and what is worse, whichever it is."""
    still = [_percent(figures, "stall_ratio") for figures in (mine, other)]
    worst = [f"{_number(figures, 'p98_delay_ms') / 1000:.2f} s" for figures in (mine, other)]
    text = f"Over the same network, {title(ours)} stood still {still[0]} of the time and {title(plain)} {still[1]}; "
    text += f"the slowest pictures took {worst[0]} against {worst[1]}"
    if mine.get("ssim_db") is not None and other.get("ssim_db") is not None:
        gap = _number(mine, "ssim_db") - _number(other, "ssim_db")
        times = _number(mine, "bitrate_bps") / max(1.0, _number(other, "bitrate_bps"))
        likeness = (
            f"{abs(gap):.1f} dB {'closer to' if gap > 0 else 'further from'}" if abs(gap) >= 0.1 else "as close to"
        )
        text += f"; what {title(ours)} showed was {likeness} the original, for {times:.1f} times the bits"
    return text + "."


def _percent(figures: Figures, name: str) -> str:
    return f"{100 * _number(figures, name):.1f} %"


def _number(figures: Figures, name: str) -> float:
    value = figures.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _written(name: str, value: Value, form: str) -> str:
    if not isinstance(value, int | float):
        return "–"
    return form.format(value / 1000 if name == "bitrate_bps" else value)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
