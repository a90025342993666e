"""The one colour space of coded frames, and how video of any other one is brought into it.

Coded frames are 8-bit 4:2:0 with the matrix and the limited range of BT.601, and with BT.709's primaries and transfer
function. It is what VP8 defines (RFC 6386, 9.2) and what aiortc and WebRTC applications assume of frames without tags.
Recordings and decoded files state it, so that a player shows the same colours as of the source.

High dynamic range (PQ and HLG of BT.2100) is tone-mapped by the EETF of BT.2390-10, 5.4.1, from 1000 cd/m2 to the
203 cd/m2 of a standard display's white (BT.2408), as a 3D lookup table in libavfilter's `lut3d`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import av

Floats = npt.NDArray[np.float64]

UNSPECIFIED: Final = 2
"""In H.273: of matrix, transfer function and primaries."""

LIMITED, FULL = 1, 2
BT709, SMPTE170M, RGB, BT2020 = 1, 6, 0, 9
PQ, HLG = 16, 18
_601: Final = (5, 6)
_MATRIX_NAMES: Final = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc"}
_PRIMARIES_NAMES: Final = {1: "bt709", 9: "bt2020", 11: "smpte431", 12: "smpte432"}
_TRANSFER_NAMES: Final = {1: "bt709", 6: "smpte170m", 13: "iec61966-2-1", PQ: "PQ (HDR)", HLG: "HLG (HDR)"}


@dataclass(frozen=True, slots=True)
class Colour:
    """Colour of a frame by H.273 numbers, with what is not stated resolved. Of RGB only primaries and transfer count.

    `full`: range 0 to 255 (of 8 bits) instead of 16 to 235. `guessed`: the matrix was not stated."""

    rgb: bool
    full: bool
    matrix: int
    transfer: int
    primaries: int
    guessed: bool = False

    @property
    def hdr(self) -> bool:
        return self.transfer in (PQ, HLG)

    @property
    def matrix_name(self) -> str:
        return "rgb" if self.rgb else _MATRIX_NAMES.get(self.matrix, "bt709")

    @property
    def primaries_name(self) -> str:
        return _PRIMARIES_NAMES.get(self.primaries, "bt709")

    @property
    def transfer_name(self) -> str:
        return _TRANSFER_NAMES.get(self.transfer, "bt709")

    @property
    def coded(self) -> bool:
        """Whether range, matrix and primaries are those of coded frames."""
        return not self.full and self.matrix in _601 and self.primaries_name == "bt709"


def colour_of(frame: av.VideoFrame, by_size: bool) -> Colour:
    """What a frame's tags say. Without a tag the matrix is BT.601, or where `by_size` is set what players take for the
    size: BT.709 from 1280 columns or above 576 lines on. Grey formats without a tag are full range, as in ffmpeg."""
    name = frame.format.name
    rgb = frame.format.is_rgb or frame.format.has_palette or name.startswith("mono")
    grey = name.startswith(("gray", "ya"))
    stated = frame.color_range
    full = rgb or name.startswith("yuvj") or stated == FULL or (grey and stated != LIMITED)
    guessed = frame.colorspace in (RGB, UNSPECIFIED, 3)
    high_definition = by_size and (frame.width >= 1280 or frame.height > 576)
    matrix = (BT709 if high_definition else SMPTE170M) if guessed else frame.colorspace
    if matrix == 10:  # BT.2020 with constant luminance, which no decoder of cameras or phones gives
        matrix = BT2020
    transfer = frame.color_trc if frame.color_trc in (PQ, HLG) else BT709
    return Colour(rgb, full, matrix, transfer, frame.color_primaries, guessed and not rgb and not grey)


class Tagged(Protocol):
    """A frame or an encoder context, as far as colour goes."""

    color_range: int
    color_primaries: int
    color_trc: int
    colorspace: int


def tag(target: Tagged) -> None:
    """State the colour of coded frames on a frame, or on the context of an encoder."""
    target.color_range, target.colorspace = LIMITED, SMPTE170M
    target.color_primaries = target.color_trc = BT709


# -- high dynamic range ----------------------------------------------------------------------------------------------

LUT_SIZE: Final = 33
SOURCE_PEAK_NITS: Final = 1000.0
WHITE_NITS: Final = 203.0
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32  # ST 2084
_HLG_A, _HLG_B, _HLG_C = 0.17883277, 0.28466892, 0.55991073  # BT.2100, table 5
_HLG_GAMMA: Final = 1.2
_BT2020_TO_709: Final = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)  # BT.2087, 4
_BT2020_LUMA: Final = np.array([0.2627, 0.6780, 0.0593])


@cache
def tone_mapping_cube(transfer: int) -> str:
    """A lookup table in the .cube format: R'G'B' of BT.2020 with PQ or HLG to R'G'B' of BT.709, both 0 to 1."""
    axis = np.linspace(0.0, 1.0, LUT_SIZE)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")  # red changes fastest in the file
    coded = np.stack([red, green, blue], axis=-1).reshape(-1, 3)
    shown = _encoded(_mapped(_display_light(coded, transfer)))
    rows = "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in shown)
    return f"LUT_3D_SIZE {LUT_SIZE}\n{rows}\n"


def tone_mapped_grey(code: float, transfer: int) -> float:
    """Where the curve takes a grey code value of 0 to 1."""
    return float(_encoded(_mapped(_display_light(np.full((1, 3), code), transfer)))[0, 0])


def _display_light(coded: Floats, transfer: int) -> Floats:
    """cd/m2 on the display that the content was graded for; of HLG one of 1000 cd/m2."""
    if transfer == PQ:
        return _pq_nits(coded)
    scene = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - _HLG_C) / _HLG_A) + _HLG_B) / 12)
    luma = np.maximum(scene @ _BT2020_LUMA, 1e-9)[:, None]
    return np.asarray(SOURCE_PEAK_NITS * luma ** (_HLG_GAMMA - 1) * scene)


def _mapped(nits: Floats) -> Floats:
    """BT.2390's EETF on the largest component, which keeps hues; then the primaries of BT.709. 1: WHITE_NITS."""
    largest = np.maximum(nits.max(axis=-1, keepdims=True), 1e-6)
    peak, white = _pq_code(SOURCE_PEAK_NITS), _pq_code(WHITE_NITS)
    level = np.minimum(_pq_code(largest) / peak, 1.0)
    most = white / peak
    knee = 1.5 * most - 0.5
    t = np.clip((level - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    target = _pq_nits(np.where(level < knee, level, spline) * peak)
    linear = nits * (target / largest) / WHITE_NITS
    return np.asarray(np.clip(linear @ _BT2020_TO_709.T, 0, 1))


def _encoded(linear: Floats) -> Floats:
    return np.asarray(linear ** (1 / 2.4))  # the inverse of BT.1886


def _pq_code(nits: Floats | float) -> Floats:
    y = (np.asarray(nits) / 10_000) ** _M1
    return np.asarray(((_C1 + _C2 * y) / (1 + _C3 * y)) ** _M2)


def _pq_nits(code: Floats) -> Floats:
    root = code ** (1 / _M2)
    return np.asarray(10_000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1))
