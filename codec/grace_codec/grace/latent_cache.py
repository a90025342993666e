"""Latents of the newest P-frames. A replay of a frame that was just coded or decoded (paper B.1) finds them here and
does not run the entropy decoder again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from grace_codec.entropy.coder import LatentCoder
from grace_codec.entropy.latents import Latents, complete
from grace_codec.grace.packing import UnpackedFrame
from grace_codec.grace.payload import Patch
from grace_codec.types import ReceivedFrame

CAPACITY_FRAMES = 12  # 0.48 s at 25 fps; a replay that reaches further back decodes its oldest frames again


@dataclass(frozen=True, slots=True)
class CachedFrame:
    """Payloads of a P-frame and what they decode to.

    total: payloads that were sent; coded_packets: how many of them carry latents; host: index of the payload with the
    I-patch, −1 where there is none."""

    payloads: Mapping[int, bytes]
    total: int
    coded_packets: int
    latents: Latents
    patch: Patch | None
    host: int


class LatentCache:
    """The newest CAPACITY_FRAMES frames by frame id."""

    def __init__(self, coder: LatentCoder) -> None:
        self._coder = coder
        self._frames: OrderedDict[int, CachedFrame] = OrderedDict()

    def add(self, frame_id: int, frame: CachedFrame) -> None:
        """Remember a frame; it replaces an older one of the same id."""
        self._frames[frame_id] = frame
        self._frames.move_to_end(frame_id)
        while len(self._frames) > CAPACITY_FRAMES:
            self._frames.popitem(last=False)

    def find(self, received: ReceivedFrame) -> UnpackedFrame | None:
        """What the received payloads decode to, if every one of them is byte for byte a cached payload; else None."""
        frame = self._frames.get(received.frame_id)
        if frame is None or frame.total != received.total or not received.payloads:
            return None
        if any(frame.payloads.get(j) != data for j, data in received.payloads.items()):
            return None
        patch = frame.patch if frame.host in received.payloads else None
        used = frozenset(received.payloads)
        if len(used) == frame.total:
            return UnpackedFrame(complete(frame.latents), patch, used)
        arrived = np.zeros(frame.coded_packets, np.bool_)
        arrived[[j for j in used if j < frame.coded_packets]] = True
        return UnpackedFrame(self._coder.subset(frame.latents, arrived), patch, used)
