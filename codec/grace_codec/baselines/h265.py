"""H.265 as an idealised real-time sender uses it (paper 5.1, C.2): frames meet their budget, losses are retransmitted.

Idealised: each frame is taken from whichever rung of a ladder of constant-quality encodes fits its budget best, and is
shown as that rung decodes it. Changing rungs costs no bits, and the decoder's state follows by itself; so it does after
a frame that the sender skipped. A real encoder spends bits on every such change: these results flatter H.265. The bytes
on the wire are real NAL units, and a frame is shown only when all of them have arrived.

A key frame is intra coded at the quality that fits its budget (the sender gives it several frame intervals' worth);
frame 0 is a rung's own IDR. Sender and receiver must hold the same ladder, so this scheme runs in the lab, not between
machines.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from grace_codec.api import LossResponse
from grace_codec.baselines.cache import StreamCache
from grace_codec.baselines.classical import equal_parts
from grace_codec.baselines.ladder import WORST_CRF, Ladder, LadderPlan, build_ladder
from grace_codec.media import VideoClip
from grace_codec.types import Budget, CodedFrame, Decoded, Frame, Planes, ReceivedFrame, Reference

_HEADER: Final = struct.Struct("!BBI")
"""Before each part of a frame: kind (rung or key), level (rung number, or CRF of a key), the frame it refers to + 1."""
_RUNG: Final = 1
_KEY: Final = 2
BEST_KEY_CRF: Final = 12


@dataclass(frozen=True, slots=True)
class LadderState:
    """A decoder that has shown everything up to this frame."""

    frame_id: int


@dataclass(frozen=True, slots=True)
class _Version:
    """Which encode of a frame a payload belongs to."""

    kind: int
    level: int
    refers_to: int


class H265Codec:
    """One end of a call that plays the ladder's clip. Loss response RETRANSMIT: all payloads or no frame."""

    name = "h265"
    loss_response = LossResponse.RETRANSMIT

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder

    def encode(self, frame: Frame, reference: Reference | None, budget: Budget) -> CodedFrame:
        """The finest version whose payloads fit the budget, or the smallest where none does.

        ValueError: the frame is not the ladder's, or the reference is not this codec's."""
        index = self._ladder.index_of(frame.frame_id)
        if index is None or not self._ladder.holds(frame, index):
            raise ValueError(f"frame {frame.frame_id} is not among the frames that the ladder was built from")
        if budget.max_payload_bytes <= _HEADER.size:
            raise ValueError(f"max_payload_bytes {budget.max_payload_bytes}: more than {_HEADER.size} are needed")
        if reference is None:
            version = _Version(_RUNG, self._rung(0, budget), 0) if index == 0 else self._key(index, budget)
        elif isinstance(reference, LadderState):
            version = _Version(_RUNG, self._rung(index, budget), reference.frame_id + 1)
        else:
            raise ValueError(f"a reference of another codec: {reference!r}")
        data = self._bytes(version, index)
        payloads = _payloads(version, data, _total(len(data), budget))
        return CodedFrame(frame.frame_id, reference is None, payloads, LadderState(frame.frame_id))

    def decode(self, received: ReceivedFrame, reference: Reference | None) -> Decoded:
        """The ladder's frame, once every payload is here and the frame that it refers to was shown.

        Payloads that are not what the ladder holds are rejected."""
        index = self._ladder.index_of(received.frame_id)
        if index is None:
            return Decoded(None, reference, frozenset(), dict.fromkeys(received.payloads, "no such frame"))
        version, used, rejected = self._verified(received, index)
        if version is None or len(used) < received.total or not _follows(version, reference):
            return Decoded(None, reference, used, rejected)
        shown = Frame(received.frame_id, 0, *self._decoded(version, index))
        return Decoded(shown, LadderState(received.frame_id), used, rejected)

    def replay(self, received: ReceivedFrame, reference: Reference) -> Reference:
        """The state after the frame; unused by retransmission."""
        return self.decode(received, reference).reference or reference

    def _rung(self, index: int, budget: Budget) -> int:
        costs = [_cost(int(size), budget) for size in self._ladder.sizes[:, index]]
        fitting = [rung for rung, cost in enumerate(costs) if cost <= budget.frame_bytes]
        return max(fitting) if fitting else costs.index(min(costs))

    def _key(self, index: int, budget: Budget) -> _Version:
        fine, coarse = BEST_KEY_CRF, WORST_CRF
        while fine < coarse:
            crf = (fine + coarse) // 2
            if _cost(len(self._ladder.key(index, crf).packets[0]), budget) <= budget.frame_bytes:
                coarse = crf
            else:
                fine = crf + 1
        return _Version(_KEY, coarse, 0)

    def _verified(self, received: ReceivedFrame, index: int) -> tuple[_Version | None, frozenset[int], dict[int, str]]:
        """The version that the first good payload names, the payloads that belong to it, and why others do not."""
        chosen: _Version | None = None
        used: set[int] = set()
        rejected: dict[int, str] = {}
        expected: tuple[bytes, ...] = ()
        for number, payload in sorted(received.payloads.items()):
            version = self._version(payload, index)
            if version is not None and chosen is None:
                data = self._bytes(version, index)
                if 0 < received.total <= len(data):
                    expected = _payloads(version, data, received.total)
            if version is None or not 0 <= number < len(expected) or payload != expected[number]:
                rejected[number] = "not what the ladder holds"
            else:
                chosen = version
                used.add(number)
        return chosen, frozenset(used), rejected

    def _version(self, payload: bytes, index: int) -> _Version | None:
        """What the header says, if the ladder has it."""
        if len(payload) <= _HEADER.size:
            return None
        kind, level, refers_to = _HEADER.unpack_from(payload)
        known_rung = kind == _RUNG and level < len(self._ladder.rungs) and (refers_to > 0) == (index > 0)
        known_key = kind == _KEY and BEST_KEY_CRF <= level <= WORST_CRF and refers_to == 0
        return _Version(kind, level, refers_to) if known_rung or known_key else None

    def _bytes(self, version: _Version, index: int) -> bytes:
        if version.kind == _KEY:
            return self._ladder.key(index, version.level).packets[0]
        return self._ladder.packet(version.level, index)

    def _decoded(self, version: _Version, index: int) -> Planes:
        if version.kind == _KEY:
            return next(self._ladder.key(index, version.level).decoded())
        return self._ladder.decoded(version.level, index)


def _follows(version: _Version, reference: Reference | None) -> bool:
    if version.refers_to == 0:
        return True
    return isinstance(reference, LadderState) and reference.frame_id == version.refers_to - 1


def _total(size: int, budget: Budget) -> int:
    return -(-size // (budget.max_payload_bytes - _HEADER.size))


def _cost(size: int, budget: Budget) -> int:
    return size + _total(size, budget) * _HEADER.size


def _payloads(version: _Version, data: bytes, total: int) -> tuple[bytes, ...]:
    """`data` in `total` parts of equal size to one byte, each with the header."""
    header = _HEADER.pack(version.kind, version.level, version.refers_to)
    return tuple(header + part for part in equal_parts(data, total))


_SHARED: dict[tuple[int, int, LadderPlan], Ladder] = {}
"""The ladder made last, which both ends of a call and the calls after it share. Keyed by the clip object's id, which
stays taken because the ladder keeps its clip alive."""


def h265_codec(
    clip: VideoClip,
    frame_count: int,
    *,
    plan: LadderPlan | None = None,
    cache: StreamCache | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> H265Codec:
    """One end of an H.265 call that plays the first `frame_count` frames of `clip` (kept open while it is in use).

    The ladder is encoded at the first time (about a minute for 10 s of 640x360 on two cores) and cached on disk."""
    plan = plan or LadderPlan()
    name = (id(clip), frame_count, plan)
    if name not in _SHARED:
        ladder = build_ladder(clip, frame_count, plan=plan, cache=cache, progress=progress)
        _SHARED.clear()
        _SHARED[name] = ladder
    return H265Codec(_SHARED[name])
