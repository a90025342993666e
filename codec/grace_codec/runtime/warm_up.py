"""Warming up before a call: a process loads compiled loops and lets networks take their memory with its first frames,
which therefore take several times as long as the others.

Owns a few made-up frames and nothing of the call.
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
        coded = encoder.encode(_made_up_frame(frame_id), reference, budget)
        payloads = dict(enumerate(coded.payloads))
        if frame_id == 2 and len(payloads) > 1:
            del payloads[0]
        received = ReceivedFrame(frame_id, coded.key, len(coded.payloads), payloads)
        if shown is not None:
            encoder.replay(received, shown)
        shown = decoder.decode(received, shown).reference
        reference = coded.reference


def _made_up_frame(frame_id: int) -> Frame:
    """Smooth noise that moves, so that every part of a codec has something to do."""
    generator = np.random.default_rng(1)
    coarse = generator.integers(0, 256, (HEIGHT // 8, WIDTH // 8), dtype=np.uint8)
    y = np.roll(np.kron(coarse, np.ones((8, 8), np.uint8)), 2 * frame_id, axis=1)
    y = y + generator.integers(0, 8, y.shape, dtype=np.uint8) // 2
    return Frame(frame_id, 0, y, y[::2, ::2].copy(), y[1::2, 1::2].copy())
