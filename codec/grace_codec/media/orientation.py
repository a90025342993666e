"""How a frame is to be turned and mirrored for display, from the display matrix that its container states."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    import av
    from av.sidedata.sidedata import SideData

Steps = tuple[tuple[str, str], ...]
"""libavfilter filters with their arguments, in order."""

_MATRIX: Final = struct.Struct("=9i")
_TURNS: Final[dict[tuple[int, int, int, int], Steps]] = {
    (1, 0, 0, 1): (),
    (-1, 0, 0, 1): (("hflip", ""),),
    (1, 0, 0, -1): (("vflip", ""), ("copy", "")),
    (-1, 0, 0, -1): (("hflip", ""), ("vflip", ""), ("copy", "")),
    (0, 1, -1, 0): (("transpose", "clock"),),
    (0, -1, 1, 0): (("transpose", "cclock"),),
    (0, 1, 1, 0): (("transpose", "cclock_flip"),),
    (0, -1, -1, 0): (("transpose", "clock_flip"),),
}
"""By the signs of the matrix [a b; c d] that maps a stored point (x, y) to the displayed (a x + c y, b x + d y), y down
(ISO/IEC 14496-12, 8.3.2). vflip only turns the order of lines round, by a negative line size; copy lays them out."""


def upright(frame: av.VideoFrame) -> Steps:
    """The filters that bring a frame into its display orientation. Angles between quarter turns go to the nearest."""
    from av.sidedata.sidedata import Type

    stated = cast("Mapping[Type, SideData]", frame.side_data).get(Type.DISPLAYMATRIX)
    if stated is None or stated.buffer_size < _MATRIX.size:
        return ()
    a, b, _, c, d, *_ = _MATRIX.unpack(bytes(stated)[: _MATRIX.size])
    return _TURNS.get(_nearest(a, b, c, d), ())


def swaps_sides(steps: Steps) -> bool:
    """Whether width and height change places."""
    return any(name == "transpose" for name, _ in steps)


def _nearest(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _sign(a), 0, 0, _sign(d)
    return 0, _sign(b), _sign(c), 0


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
