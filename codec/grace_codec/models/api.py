"""What a profile's model offers the packet codec: numpy in, numpy out. Networks and their runtimes stay behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from grace_codec.entropy.latents import Latents, ReceivedLatents
from grace_codec.motion.field import LEAST_BIT_PRICE, Motion
from grace_codec.types import Planes

Floats = npt.NDArray[np.float32]

FINE = 8  # fine levels between two trained ones; everything in between is interpolated
FINER_LEVELS = 5 * FINE
"""Fine levels beyond the finest trained one: steps go on shrinking by 3 % a level, the networks stay as they are. They
are for links with more bandwidth than the trained levels can use."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Sizes and identity of a model, as bitstreams and entropy tables need them.

    A residual position (16x16 luma px) holds 4 luma sub-blocks: channel 4*f + 2*dy + dx is frequency rank f of
    sub-block (dy, dx); then `chroma_frequencies` channels of U and as many of V. `levels` counts fine levels, of which
    the last `finer_levels` lie beyond the trained ones."""

    name: str
    wire_id: int  # u8, in every packet
    model_id: int  # u32, the first four bytes of the weights' SHA-256
    levels: int
    luma_frequencies: int
    chroma_frequencies: int
    motion_channels: int = 2
    finer_levels: int = 0

    @property
    def trained_levels(self) -> int:
        """Fine levels between the coarsest and the finest trained one."""
        return self.levels - self.finer_levels

    @property
    def residual_channels(self) -> int:
        return 4 * self.luma_frequencies + 2 * self.chroma_frequencies


@dataclass(frozen=True, slots=True)
class Analysis:
    """A frame seen from its reference, before quantization.

    motion: (2, H16, W16) int16 quarter pels; residual: (C, H16, W16) float32, to be divided by a level's steps."""

    motion: Motion
    residual: Floats


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """planes: fresh uint8 arrays of the frame's own size. motion: the field with its gaps filled, for concealment
    and statistics."""

    planes: Planes
    motion: Motion


class VideoModel(Protocol):
    """One end's model. Not thread-safe: it keeps what it made of the last reference."""

    profile: Profile

    def analyse(self, frame: Planes, reference: Planes, bit_price: float = LEAST_BIT_PRICE) -> Analysis:
        """Motion estimation, prediction and residual encoder. The only costly call on the encoder's side.

        bit_price: sum of absolute differences (SAD) that one bit of motion has to save."""
        ...

    def steps(self, level: int) -> Floats:
        """(C,) quantization steps of a fine level, 0 (coarse) .. profile.levels - 1 (fine)."""
        ...

    def quantize(self, analysis: Analysis, level: int) -> Latents:
        """Divide, dead zone, round, clip. No network; under a millisecond."""
        ...

    def reconstruct(self, reference: Planes, received: ReceivedLatents) -> Reconstruction:
        """What both ends make of the latents that arrived. Bit-exact on one device. Never fails on their values."""
        ...

    def replay(self, reference: Planes, received: ReceivedLatents) -> Planes:
        """Motion and residual on another reference without any network (paper B.1); depends on its arguments alone."""
        ...
