"""The stats of a demo's calls for people: summary.json, the table on the terminal, and one sentence about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.table import Table

from grace_rtc.demo.outcome import Stats, Value
from grace_rtc.demo.settings import title

ROWS: Final[Mapping[str, tuple[str, str]]] = {
    "frames_sent": ("frames sent", "{:.0f}"),
    "frames_rendered": ("… shown in time (within 0.4 s)", "{:.0f}"),
    "partial_frames": ("… of them from a part of their packets", "{:.0f}"),
    "non_rendered_ratio": ("never shown, or too late", "{:.1%}"),
    "frames_too_slow": ("left out because this machine was too slow", "{:.0f}"),
    "stall_ratio": ("time that the video stood still", "{:.1%}"),
    "p50_delay_ms": ("delay, camera to screen: usual", "{:.0f} ms"),
    "p98_delay_ms": ("… and at its worst (98 % are faster)", "{:.0f} ms"),
    "ssim_db": ("similarity of what was shown (SSIM)", "{:.1f} dB"),
    "bitrate_bps": ("sent over the network", "{:.0f} kbit/s"),
    "packet_loss_ratio": ("packets that the network lost", "{:.1%}"),
    "resyncs": ("repairs without a key frame", "{:.0f}"),
}
"""Name of a stat -> its title for a newcomer, and its format."""


BUSY: Final = 0.03
"""Share of frames that the machine had no time for, above which a call says little about the network."""


def summary(facts: Mapping[str, Value], calls: Mapping[str, Stats]) -> dict[str, object]:
    """The content of summary.json: the stats of the first scheme at the top, and those of each under its name."""
    first, stats = next(iter(calls.items()))
    return {**facts, "scheme": first, **stats, "schemes": dict(calls)}


def table(calls: Mapping[str, Stats]) -> Table:
    """A line per figure, a column per scheme."""
    shown = Table("", *(title(scheme) for scheme in calls), box=None, pad_edge=False, header_style="bold")
    for column in shown.columns[1:]:
        column.justify = "right"
    for name, (text, form) in ROWS.items():
        if any(stats.get(name) for stats in calls.values()):
            shown.add_row(text, *(_written(name, stats.get(name), form) for stats in calls.values()))
    return shown


def verdict(calls: Mapping[str, Stats]) -> str:
    """One sentence: who stood still for how long, and what it cost."""
    ours = [scheme for scheme in calls if scheme.startswith("grace")]
    others = [scheme for scheme in calls if not scheme.startswith("grace")]
    if not ours or not others:
        return " ".join(_alone(scheme, stats) for scheme, stats in calls.items())
    return _against(ours[0], calls[ours[0]], others[0], calls[others[0]])


def warning(calls: Mapping[str, Stats]) -> str:
    """A warning if the machine was too busy for the stats to mean much; empty otherwise."""
    busy = [
        f"{_number(stats, 'frames_too_slow'):.0f} frames of {title(scheme)}"
        for scheme, stats in calls.items()
        if _number(stats, "frames_too_slow") > BUSY * max(1.0, _number(stats, "frames_captured"))
    ]
    if not busy:
        return ""
    advice = "end other programs, or give a smaller --size or --fps"
    return f"This machine was too busy: it had no time for {' and '.join(busy)}; {advice}."


def _alone(scheme: str, stats: Stats) -> str:
    still, missing = _percent(stats, "stall_ratio"), _percent(stats, "non_rendered_ratio")
    return f"{title(scheme)} stood still {still} of the time; {missing} of its frames came too late or never."


def _against(ours: str, mine: Stats, compared: str, other: Stats) -> str:
    """Says what is better and what is worse, whichever it is."""
    still = [_percent(stats, "stall_ratio") for stats in (mine, other)]
    worst = [f"{_number(stats, 'p98_delay_ms') / 1000:.2f} s" for stats in (mine, other)]
    text = f"Over the same network, {title(ours)} stood still {still[0]} of the time and {title(compared)} {still[1]}; "
    text += f"the slowest frames took {worst[0]} against {worst[1]}"
    if mine.get("ssim_db") is not None and other.get("ssim_db") is not None:
        gap = _number(mine, "ssim_db") - _number(other, "ssim_db")
        times = _number(mine, "bitrate_bps") / max(1.0, _number(other, "bitrate_bps"))
        similarity = (
            f"{abs(gap):.1f} dB {'closer to' if gap > 0 else 'further from'}" if abs(gap) >= 0.1 else "as close to"
        )
        text += f"; what {title(ours)} showed was {similarity} the original, for {times:.1f} times the bits"
    return text + "."


def _percent(stats: Stats, name: str) -> str:
    return f"{100 * _number(stats, name):.1f} %"


def _number(stats: Stats, name: str) -> float:
    value = stats.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _written(name: str, value: Value, form: str) -> str:
    if not isinstance(value, int | float):
        return "–"
    return form.format(value / 1000 if name == "bitrate_bps" else value)
