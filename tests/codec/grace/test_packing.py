"""Laws of packing: no payload is too large, the I-patch is in the smallest or alone, what disagrees is rejected."""

from __future__ import annotations

import pytest
from tests.codec.grace_parts import LEVELS, latents, same, small_tables

from grace_codec.entropy.coder import LatentCoder
from grace_codec.entropy.latents import Latents
from grace_codec.grace.packing import FramePacker, packets_for
from grace_codec.grace.payload import CodecIdentity, Patch, carries_patch, patch_is_last
from grace_codec.types import Budget, ReceivedFrame

SIZE = (20 * 16, 12 * 16)
PACKER = FramePacker(LatentCoder(small_tables(), LEVELS), CodecIdentity(3, 0xABCD), LEVELS)
SMALL = Budget(9000, 300)
FRAME = latents(1, 12, 20, 2.0)


def received(payloads: tuple[bytes, ...], lost: frozenset[int] = frozenset()) -> ReceivedFrame:
    return ReceivedFrame(1, False, len(payloads), {j: p for j, p in enumerate(payloads) if j not in lost})


@pytest.mark.parametrize("room", [60, 150, 1150])
def test_no_payload_is_larger_than_allowed_even_if_the_estimate_was_too_small(room: int) -> None:
    payloads = PACKER.pack(FRAME, None, SIZE, Budget(9000, room), expected_bytes=10)
    assert max(map(len, payloads)) <= room


@pytest.mark.parametrize("patch", [None, Patch(2, b"intra" * 9)])
def test_all_payloads_give_the_latents_and_the_patch_back(patch: Patch | None) -> None:
    payloads = PACKER.pack(FRAME, patch, SIZE, SMALL, 900)
    accepted = PACKER.accept(received(payloads), SIZE)
    frame = PACKER.unpack(accepted, len(payloads), SIZE)
    assert not accepted.rejected
    assert same(frame.latents.residual, FRAME.residual)
    assert same(frame.latents.motion, FRAME.motion)
    assert frame.patch == patch
    assert frame.used == frozenset(range(len(payloads)))


def test_the_patch_travels_with_the_smallest_stream_or_alone_at_the_end() -> None:
    plain = [len(p) for p in PACKER.pack(FRAME, None, SIZE, SMALL, 900)]
    patch = Patch(0, bytes(20))
    with_patch = PACKER.pack(FRAME, patch, SIZE, SMALL, 900)
    assert [j for j, p in enumerate(with_patch) if carries_patch(p)] == [plain.index(min(plain))]
    alone = PACKER.pack(FRAME, Patch(0, bytes(280)), SIZE, SMALL, 900)
    assert len(alone) == len(plain) + 1
    assert [j for j, p in enumerate(alone) if carries_patch(p)] == [len(plain)]
    assert all(map(patch_is_last, alone))


def test_a_lost_patch_is_no_error() -> None:
    payloads = PACKER.pack(FRAME, Patch(0, bytes(280)), SIZE, SMALL, 900)
    accepted = PACKER.accept(received(payloads, frozenset({len(payloads) - 1})), SIZE)
    assert accepted.host == -1
    assert PACKER.unpack(accepted, len(payloads), SIZE).patch is None


def test_a_frame_of_zeros_is_one_packet() -> None:
    still = Latents(0 * FRAME.motion, 0 * FRAME.residual, 5)
    assert len(PACKER.pack(still, None, SIZE, SMALL, 900)) == 1


def test_payloads_that_disagree_with_the_first_are_rejected() -> None:
    other = Latents(FRAME.motion, FRAME.residual, FRAME.level + 1)
    mine, theirs = (PACKER.pack(frame, None, SIZE, SMALL, 900) for frame in (FRAME, other))
    assert len(mine) == len(theirs)
    accepted = PACKER.accept(received((mine[0], theirs[1], *mine[2:])), SIZE)
    assert accepted.rejected == {1: "disagrees with the frame's other payloads"}
    assert 1 not in accepted.parsed


def test_a_level_that_the_profile_lacks_is_rejected() -> None:
    generous = FramePacker(PACKER.coder, CodecIdentity(3, 0xABCD), 256)
    payloads = generous.pack(Latents(FRAME.motion, FRAME.residual, LEVELS), None, SIZE, SMALL, 900)
    assert generous.accept(received(payloads), SIZE).parsed
    assert set(PACKER.accept(received(payloads), SIZE).rejected.values()) == {f"rate level {LEVELS} of {LEVELS}"}


def test_a_frame_has_the_packets_that_its_budget_wants_and_room_in_each() -> None:
    assert packets_for(10, Budget(5000, 1150)) == 2
    assert packets_for(10, Budget(5000, 1150, min_payloads=1)) == 1
    assert packets_for(2400, Budget(5000, 1150)) == 3
    assert packets_for(7500, Budget(5000, 1150)) == 7


def test_one_packet_holds_a_frame_whole() -> None:
    payloads = PACKER.pack(FRAME, None, SIZE, Budget(5000, 5000, min_payloads=1), 900)
    assert len(payloads) == 1
    frame = PACKER.unpack(PACKER.accept(received(payloads), SIZE), 1, SIZE)
    assert same(frame.latents.residual, FRAME.residual)
    assert same(frame.latents.motion, FRAME.motion)
