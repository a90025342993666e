"""What a process does only with its first frames, done before a call: loops are loaded, networks take their memory.

Owns a few made-up frames and nothing of the call. Without it the first frames of a call take several times the others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grace_codec.api import PacketCodec
from grace_codec.types import Budget, Frame, ReceivedFrame, Reference

WIDTH, HEIGHT = 160, 96
KEY_BYTES, FRAME_BYTES, PAYLOAD_BYTES = 3000, 1500, 300


def warm_up(make: Callable[[], PacketCodec]) -> None:
    """Code a key frame and two others with codecs of their own; lose a packet; replay. Raises what the codec raises."""
    encoder, decoder = make(), make()
    reference: Reference | None = None
    shown: Reference | None = None
    for frame_id in range(3):
        budget = Budget(FRAME_BYTES if frame_id else KEY_BYTES, PAYLOAD_BYTES)
        coded = encoder.encode(_picture(frame_id), reference, budget)
        payloads = dict(enumerate(coded.payloads))
        if frame_id == 2 and len(payloads) > 1:
            del payloads[0]
        received = ReceivedFrame(frame_id, coded.key, len(coded.payloads), payloads)
        if shown is not None:
            encoder.replay(received, shown)
        shown = decoder.decode(received, shown).reference
        reference = coded.reference


def _picture(frame_id: int) -> Frame:
    """Smooth noise that moves: everything has something to code."""
    generator = np.random.default_rng(1)
    coarse = generator.integers(0, 256, (HEIGHT // 8, WIDTH // 8), dtype=np.uint8)
    y = np.roll(np.kron(coarse, np.ones((8, 8), np.uint8)), 2 * frame_id, axis=1)
    y = y + generator.integers(0, 8, y.shape, dtype=np.uint8) // 2
    return Frame(frame_id, 0, y, y[::2, ::2].copy(), y[1::2, 1::2].copy())
