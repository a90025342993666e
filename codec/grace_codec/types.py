"""Data that flows through a packet codec. Owns frames, budgets and coded frames; refuses to know the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]
"""(H, W) samples of one component of a frame, uint8."""

Planes = tuple[Plane, Plane, Plane]
"""Luma (H, W) and both chroma planes (H/2, W/2) of a yuv420 frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One yuv420 frame. Planes are C-contiguous and read-only by convention.

    y: (H, W); u, v: (H/2, W/2). H and W are even, 64x64 to 1920x1080. frame_id counts captured frames; captured_us is
    when it was captured, on the sender's clock, in microseconds.
    """

    frame_id: int
    captured_us: int
    y: Plane
    u: Plane
    v: Plane

    @property
    def width(self) -> int:
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        return int(self.y.shape[0])


@dataclass(frozen=True, slots=True)
class Budget:
    """What one frame may cost: the sum of its payloads, the size of the largest payload, and the least number of
    payloads to spread it over. One payload costs least; where the network loses packets, two or more keep a part of
    the frame."""

    frame_bytes: int
    max_payload_bytes: int = 1150
    min_payloads: int = 2


Reference = object
"""A decoder state that a later frame can be predicted from. Opaque outside the codec that made it."""


@dataclass(frozen=True, slots=True)
class CodedFrame:
    """An encoded frame; `reference` is the state a decoder reaches when every payload arrives."""

    frame_id: int
    key: bool
    payloads: tuple[bytes, ...]
    reference: Reference


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """The payloads of one frame that arrived, by index; `total` were sent."""

    frame_id: int
    key: bool
    total: int
    payloads: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class Decoded:
    """`frame` is None where nothing could be shown. `used` are the payload indexes that the codec accepted;
    `rejected` says why others were not (index -> reason)."""

    frame: Frame | None
    reference: Reference | None
    used: frozenset[int]
    rejected: Mapping[int, str] = field(default_factory=dict)
