"""Latents and I-patch of a P-frame to payloads, and any subset of the payloads back. Owns how many packets a frame
takes and which payload carries the I-patch; the entropy coder makes the streams, payload.py the bytes around them.
"""

from __future__ import annotations

from dataclasses import dataclass

from grace_codec.entropy.coder import Geometry, LatentCoder
from grace_codec.entropy.latents import Latents, ReceivedLatents
from grace_codec.entropy.mapping import MAX_PACKETS
from grace_codec.grace.payload import (
    HEADER_BYTES,
    PATCH_HEADER_BYTES,
    CodecIdentity,
    Patch,
    PredictedPayload,
    RejectedError,
    read_predicted,
    write_predicted,
)
from grace_codec.models.transform import POSITION
from grace_codec.types import Budget, ReceivedFrame


@dataclass(frozen=True, slots=True)
class UnpackedFrame:
    """The accepted payloads of a P-frame, decoded. used: their indexes."""

    latents: ReceivedLatents
    patch: Patch | None
    used: frozenset[int]


@dataclass(frozen=True, slots=True)
class AcceptedPayloads:
    """Payloads of one P-frame by index, parsed, and why others were rejected. The accepted ones agree with the first of
    them on level, motion and where the I-patch is."""

    parsed: dict[int, PredictedPayload]
    rejected: dict[int, str]

    @property
    def host(self) -> int:
        """Index of the payload with the I-patch, −1 where none arrived."""
        return min((j for j, payload in self.parsed.items() if payload.patch), default=-1)

    @property
    def patch(self) -> Patch | None:
        return self.parsed[self.host].patch if self.host >= 0 else None


def packets_for(size_bytes: float, budget: Budget) -> int:
    """Packets for a frame of this size: at least as many as the budget wants, with room for their sizes to differ."""
    return max(budget.min_payloads, -(-int(size_bytes * 1.04) // max(1, budget.max_payload_bytes - 24)))


class FramePacker:
    """Packs and unpacks the P-frames of one codec. Holds no state between frames.

    levels: fine rate levels of the profile."""

    def __init__(self, coder: LatentCoder, identity: CodecIdentity, levels: int) -> None:
        self.coder = coder
        self._identity, self._levels = identity, levels

    def pack(
        self, latents: Latents, patch: Patch | None, size: tuple[int, int], budget: Budget, expected_bytes: float
    ) -> tuple[bytes, ...]:
        """Payloads as the budget limits them. size: (width, height) of the frame in px; expected_bytes: estimate of the
        frame's size, from which the first guess at the number of packets is made.

        The I-patch travels with the smallest stream, or in a last payload of its own where it fits with none."""
        moving = bool(latents.motion.any())
        packets = packets_for(expected_bytes, budget) if moving or latents.residual.any() else 1
        streams = self._streams(latents, packets, budget)
        sizes = [len(stream) for stream in streams]
        host = sizes.index(min(sizes))
        patch_bytes = len(patch.data) + PATCH_HEADER_BYTES if patch else 0
        apart = min(sizes) + patch_bytes + HEADER_BYTES > budget.max_payload_bytes
        parts = [
            PredictedPayload(latents.level, moving, stream, patch if j == host and not apart else None, apart)
            for j, stream in enumerate(streams)
        ]
        if apart:
            parts.append(PredictedPayload(latents.level, moving, b"", patch, apart))
        contexts = (self._identity.context(size, j, len(parts)) for j in range(len(parts)))
        return tuple(map(write_predicted, parts, contexts))

    def _streams(self, latents: Latents, packets: int, budget: Budget) -> tuple[bytes, ...]:
        """Entropy coded streams, in more packets than asked for where one would be too large."""
        while True:
            streams = self.coder.encode(latents, packets)
            if max(map(len, streams)) + HEADER_BYTES <= budget.max_payload_bytes or packets == MAX_PACKETS - 1:
                return streams
            packets = min(max(packets + 1, packets_for(sum(map(len, streams)), budget)), MAX_PACKETS - 1)

    def accept(self, received: ReceivedFrame, size: tuple[int, int]) -> AcceptedPayloads:
        """Parse and check the payloads of a frame of `size` (width, height). The lowest accepted index rules."""
        accepted = AcceptedPayloads({}, {})
        for j, data in sorted(received.payloads.items()):
            try:
                payload = read_predicted(data, self._identity.context(size, j, received.total))
                if payload.level >= self._levels:
                    raise RejectedError(f"rate level {payload.level} of {self._levels}")
                first = next(iter(accepted.parsed.values()), payload)
                if payload.frame_facts != first.frame_facts:
                    raise RejectedError("disagrees with the frame's other payloads")
            except RejectedError as error:
                accepted.rejected[j] = str(error)
            else:
                accepted.parsed[j] = payload
        return accepted

    def unpack(self, accepted: AcceptedPayloads, total: int, size: tuple[int, int]) -> UnpackedFrame:
        """Decode the accepted payloads, at least one, of a frame of which `total` payloads were sent."""
        level, moving, patch_last = accepted.parsed[min(accepted.parsed)].frame_facts
        packets = total - patch_last
        streams = {j: payload.stream for j, payload in accepted.parsed.items() if j < packets}
        width, height = size
        geometry = Geometry(-(-height // POSITION), -(-width // POSITION), level, packets)
        latents = self.coder.decode(streams, geometry, moving)
        return UnpackedFrame(latents, accepted.patch, frozenset(accepted.parsed))
