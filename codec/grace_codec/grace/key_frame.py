"""Key frames: still images whose quality is searched for until they fill their budget, in payloads that are all needed.
Knows no motion, no latents and no reference.
"""

from __future__ import annotations

from math import log2

from grace_codec.entropy.mapping import MAX_PACKETS
from grace_codec.grace.av1_still import AV1, MAX_CRF, MIN_CRF, decode_still, encode_still
from grace_codec.grace.payload import (
    HEADER_BYTES,
    KEY_HEADER_BYTES,
    CodecIdentity,
    KeyChunk,
    RejectedError,
    join_key,
    read_key,
    write_key,
)
from grace_codec.grace.rate import FILL_AIM, FILL_LOW
from grace_codec.grace.reference import GraceReference, frozen
from grace_codec.types import Budget, Decoded, Frame, Planes, ReceivedFrame, Reference

MAX_ATTEMPTS = 5
CRF_PER_HALVING = 10  # steps of AV1's quality scale that roughly halve the bytes of a whole frame
INITIAL_CRF = 32


class KeyFrameCoder:
    """Codes key frames. State between frames: `crf`, the quality that fitted last time."""

    def __init__(self, identity: CodecIdentity) -> None:
        self._identity = identity
        self.crf = INITIAL_CRF

    def fix_level(self, level: int) -> None:
        """Set the quality that matches a fine rate level of P-frames."""
        self.crf = min(max(round(30 - 0.35 * level), MIN_CRF), MAX_CRF)

    def encode(self, planes: Planes, budget: Budget) -> tuple[tuple[bytes, ...], Planes]:
        """Payloads of the best quality that fits the budget, the worst quality where none does; and what they show."""
        return self._payloads(planes, self._search(planes, budget), budget)

    def encode_fixed(self, planes: Planes, budget: Budget) -> tuple[tuple[bytes, ...], Planes]:
        """As `encode`, but at the quality that is set, whatever the budget."""
        return self._payloads(planes, encode_still(planes, self.crf), budget)

    def _search(self, planes: Planes, budget: Budget) -> bytes:
        """AV1 bytes of the lowest CRF tried that fits. Bisects between what fits and what does not, by a guess."""
        room = _room_bytes(budget)
        crf, low, high = self.crf, MIN_CRF, MAX_CRF + 1  # low: fits or untried; high: known to fit from there on
        coded: dict[int, bytes] = {}
        for _ in range(MAX_ATTEMPTS):
            coded[crf] = data = encode_still(planes, crf)
            if len(data) > room:
                low = crf + 1
            else:
                high = crf
            if low >= high or FILL_LOW * room <= len(data) <= room:
                break
            guess = crf + round(CRF_PER_HALVING * log2(len(data) / max(1, FILL_AIM * room)))
            crf = int(min(max(guess, low), high - 1 if high > MIN_CRF else MIN_CRF, MAX_CRF))
            if crf in coded:
                break
        fitting = [crf for crf, data in coded.items() if len(data) <= room]
        self.crf = min(fitting, default=MAX_CRF)
        return coded[self.crf] if self.crf in coded else encode_still(planes, MAX_CRF)

    def _payloads(self, planes: Planes, data: bytes, budget: Budget) -> tuple[tuple[bytes, ...], Planes]:
        height, width = planes[0].shape
        context = self._identity.context((0, 0), 0, 1)
        payloads = write_key(AV1, (width, height), data, context, budget.max_payload_bytes)
        shown = decode_still(data, width, height)
        if shown is None:
            raise ValueError(f"the AV1 encoder made a {width}x{height} image that does not decode")
        return payloads, shown

    def decode(self, received: ReceivedFrame, reference: Reference | None) -> Decoded:
        """The frame where all payloads arrived; else nothing is shown and `reference` stays. Never raises for bytes."""
        chunks: dict[int, KeyChunk] = {}
        rejected: dict[int, str] = {}
        for j, data in received.payloads.items():
            try:
                chunks[j] = read_key(data, self._identity.context((0, 0), j, received.total))
            except RejectedError as error:
                rejected[j] = str(error)
        if not chunks or len(chunks) < received.total:
            return Decoded(None, reference, frozenset(chunks), rejected)
        try:
            planes = frozen(_image([chunks[j] for j in range(received.total)]))
        except RejectedError as error:
            return Decoded(None, reference, frozenset(), rejected | dict.fromkeys(chunks, str(error)))
        return Decoded(Frame(received.frame_id, 0, *planes), GraceReference(planes), frozenset(chunks), rejected)


def _room_bytes(budget: Budget) -> int:
    """What is left of the budget for the AV1 bytes: no more than MAX_PACKETS payloads, less all headers."""
    frame_bytes = min(budget.frame_bytes, MAX_PACKETS * budget.max_payload_bytes)
    return frame_bytes - KEY_HEADER_BYTES - HEADER_BYTES * (1 + frame_bytes // budget.max_payload_bytes)


def _image(chunks: list[KeyChunk]) -> Planes:
    """The still image of a complete key frame. Raises RejectedError where the chunks are not one."""
    if any(chunk.codec != AV1 for chunk in chunks):
        raise RejectedError(f"key frame of codec {chunks[0].codec}, not {AV1} (AV1)")
    width, height = chunks[0].size or (0, 0)
    shown = decode_still(join_key(chunks), width, height)
    if shown is None:
        raise RejectedError(f"key frame is no AV1 image of {width}x{height}")
    return shown
