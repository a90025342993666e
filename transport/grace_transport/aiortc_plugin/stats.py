"""Adds the figures of a GRACE stream to aiortc's own statistics. Owns no figure."""

from __future__ import annotations

from dataclasses import asdict, fields, make_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiortc.stats import RTCStats, RTCStatsReport


def extend(report: RTCStatsReport, of_type: str, figures: Any) -> RTCStatsReport:
    """Give the entries of `of_type` the fields of `figures` (a dataclass; None: nothing) on top of their own."""
    if figures is not None:
        for entry in [entry for entry in report.values() if entry.type == of_type]:
            own: Any = _own_type(type(entry))
            report.add(_extended_type(own, figures.__class__)(**_own(entry) | asdict(figures)))
    return report


@cache
def _extended_type(of: Any, more: Any) -> Any:
    """A dataclass that is an `of` with the fields of `more`."""
    added: Any = make_dataclass(f"Grace{of.__name__}", [(one.name, one.type) for one in fields(more)], bases=(of,))
    added.grace_of = of
    return added


def _own_type(of: type[RTCStats]) -> type[RTCStats]:
    return getattr(of, "grace_of", of)


def _own(entry: RTCStats) -> dict[str, Any]:
    return {one.name: getattr(entry, one.name) for one in fields(_own_type(type(entry)))}
