"""Laws of the GRACE packet codec with the model that ships: budgets, subsets, replay, hostile payloads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace_codec.api import LossResponse, PacketCodec
from grace_codec.grace.codec import GraceCodec
from grace_codec.grace.intra_refresh import PatchPolicy
from grace_codec.grace.reference import GraceReference
from grace_codec.media import ClipOptions, open_clip
from grace_codec.runtime import thread_pool
from grace_codec.types import Budget, CodedFrame, Frame, ReceivedFrame

SIZE = (192, 112)
BUDGET = Budget(1200, 300)


def frames(count: int, scene: str = "talk") -> list[Frame]:
    with open_clip(f"builtin:{scene}", ClipOptions(size=SIZE, fps=25.0)) as clip:
        return list(clip.play(count))


@pytest.fixture(scope="module")
def codec() -> GraceCodec:
    return GraceCodec.load("grace-lite")


@pytest.fixture(scope="module")
def coded(codec: GraceCodec) -> list[CodedFrame]:
    """A key frame and five P-frames, each predicted from the one before."""
    chain: list[CodedFrame] = []
    for frame in frames(6):
        chain.append(codec.encode(frame, chain[-1].reference if chain else None, BUDGET))
    return chain


def received(frame: CodedFrame, lost: frozenset[int] = frozenset()) -> ReceivedFrame:
    payloads = {j: p for j, p in enumerate(frame.payloads) if j not in lost}
    return ReceivedFrame(frame.frame_id, frame.key, len(frame.payloads), payloads)


def pixels(reference: object) -> bytes:
    assert isinstance(reference, GraceReference)
    return b"".join(plane.tobytes() for plane in reference.planes)


def test_it_is_a_packet_codec_that_resyncs(codec: GraceCodec) -> None:
    assert isinstance(codec, PacketCodec)
    assert codec.loss_response is LossResponse.RESYNC
    assert codec.name == "grace-lite"


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    for threads in (1, 2):
        monkeypatch.setattr(thread_pool, "threads", lambda threads=threads: threads)
        sender, receiver = (GraceCodec.load("grace-lite", patches=PatchPolicy(unconditional=1)) for _ in range(2))
        key, *others = frames(5, "pan")
        reference = sender.encode(key, None, BUDGET).reference
        made: list[object] = [pixels(reference)]
        for frame in others:
            coded = sender.encode(frame, reference, BUDGET)
            holes = received(coded, frozenset({1}))
            made += [coded.payloads, pixels(coded.reference), pixels(receiver.decode(holes, reference).reference)]
            made.append(pixels(receiver.replay(holes, coded.reference)))
            reference = coded.reference
        runs.append(made)
    assert runs[0] == runs[1]


def test_a_receiver_that_gets_everything_has_the_senders_reference(coded: list[CodedFrame]) -> None:
    receiver, reference = GraceCodec.load("grace-lite"), None
    for frame in coded:
        shown = receiver.decode(received(frame), reference)
        assert shown.frame is not None
        assert shown.used == frozenset(range(len(frame.payloads)))
        assert pixels(shown.reference) == pixels(frame.reference)
        reference = shown.reference


def test_payloads_respect_budget_and_size(coded: list[CodedFrame]) -> None:
    for frame in coded[1:]:
        assert max(map(len, frame.payloads)) <= BUDGET.max_payload_bytes
        assert sum(map(len, frame.payloads)) <= 1.05 * BUDGET.frame_bytes
        assert len(frame.payloads) >= 2


def test_budgets_are_used_where_quality_can_still_rise(codec: GraceCodec) -> None:
    source = frames(4, "detail")
    reference = codec.encode(source[0], None, Budget(3000)).reference
    for frame in source[1:]:
        coded = codec.encode(frame, reference, Budget(2000, 400))
        reference = coded.reference
        assert 0.85 * 2000 <= sum(map(len, coded.payloads)) <= 1.05 * 2000


@pytest.mark.parametrize("lost", [{0}, {1}, {0, 2}])
def test_any_subset_shows_a_picture(codec: GraceCodec, coded: list[CodedFrame], lost: set[int]) -> None:
    frame = received(coded[3], frozenset(lost))
    fresh = GraceCodec.load("grace-lite").decode(frame, coded[2].reference)
    held = codec.decode(frame, coded[2].reference)
    assert fresh.frame is not None
    assert fresh.used == frozenset(frame.payloads)
    assert pixels(fresh.reference) == pixels(held.reference)
    assert pixels(fresh.reference) != pixels(coded[3].reference)


def test_replay_is_the_same_on_both_ends(codec: GraceCodec, coded: list[CodedFrame]) -> None:
    receiver = GraceCodec.load("grace-lite")
    broken = received(coded[2], frozenset({0}))
    ends = []
    for end in (codec, receiver):
        reference = end.decode(broken, coded[1].reference).reference
        assert reference is not None
        ends.append(end.replay(received(coded[3]), reference))
    assert pixels(ends[0]) == pixels(ends[1])


def test_a_p_frame_decodes_against_the_wrong_reference(codec: GraceCodec, coded: list[CodedFrame]) -> None:
    assert codec.decode(received(coded[5]), coded[1].reference).frame is not None


def test_a_p_frame_without_a_reference_is_rejected_with_the_reason(codec: GraceCodec, coded: list[CodedFrame]) -> None:
    shown = codec.decode(received(coded[1]), None)
    assert shown.frame is None
    assert set(shown.rejected.values()) == {"a P-frame without a reference"}


def test_an_incomplete_key_frame_shows_nothing(codec: GraceCodec, coded: list[CodedFrame]) -> None:
    assert len(coded[0].payloads) > 1
    shown = codec.decode(received(coded[0], frozenset({1})), None)
    assert shown.frame is None
    assert shown.reference is None


def test_no_payload_at_all_keeps_the_reference(codec: GraceCodec, coded: list[CodedFrame]) -> None:
    nothing = ReceivedFrame(1, False, 4, {})
    shown = codec.decode(nothing, coded[0].reference)
    assert shown.frame is None
    assert shown.reference is coded[0].reference
    assert codec.replay(nothing, coded[0].reference) is coded[0].reference


def test_payloads_of_another_profile_or_picture_size_are_rejected(codec: GraceCodec, coded: list[CodedFrame]) -> None:
    other = GraceCodec.load("grace-p").decode(received(coded[1]), coded[0].reference)
    assert all("profile 1" in reason for reason in other.rejected.values())
    assert other.frame is None
    small = GraceReference((np.zeros((64, 64), np.uint8), np.zeros((32, 32), np.uint8), np.zeros((32, 32), np.uint8)))
    shown = GraceCodec.load("grace-lite").decode(received(coded[1]), small)
    assert shown.frame is None
    assert all("checksum" in reason for reason in shown.rejected.values())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.dictionaries(st.integers(-2, 130), st.binary(max_size=60), max_size=4), st.integers(-1, 200), st.booleans())
def test_hostile_payloads_never_raise(
    codec: GraceCodec, coded: list[CodedFrame], payloads: dict[int, bytes], total: int, key: bool
) -> None:
    shown = codec.decode(ReceivedFrame(9, key, total, payloads), coded[0].reference)
    assert not shown.used
    assert set(shown.rejected) == set(payloads)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.integers(0, 5), st.integers(0, 10**6))
def test_a_damaged_payload_is_left_out_and_the_others_are_used(
    codec: GraceCodec, coded: list[CodedFrame], which: int, bit: int
) -> None:
    frame = coded[4]
    which %= len(frame.payloads)
    data = bytearray(frame.payloads[which])
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    payloads = dict(enumerate(frame.payloads)) | {which: bytes(data)}
    shown = codec.decode(ReceivedFrame(4, False, len(frame.payloads), payloads), coded[3].reference)
    assert shown.used == frozenset(range(len(frame.payloads))) - {which}
    assert set(shown.rejected) == {which}


@pytest.mark.parametrize("budget", [0, 10, 60, 200])
def test_a_budget_far_too_small_still_gives_a_frame(codec: GraceCodec, coded: list[CodedFrame], budget: int) -> None:
    frame = frames(8, "pan")[7]  # a scene cut, too
    small = codec.encode(frame, coded[5].reference, Budget(budget))
    assert codec.decode(received(small), coded[5].reference).frame is not None
    assert sum(map(len, small.payloads)) <= max(1.05 * budget, 40)


def test_a_key_frame_fits_its_budget(codec: GraceCodec) -> None:
    frame = frames(1, "detail")[0]
    sizes = [sum(map(len, codec.encode(frame, None, Budget(b)).payloads)) for b in (1500, 4000, 9000)]
    assert all(0.5 * b <= s <= 1.05 * b for s, b in zip(sizes, (1500, 4000, 9000), strict=True))


def test_a_key_frame_of_any_budget_fits_the_packets_there_are(codec: GraceCodec) -> None:
    key = codec.encode(frames(1, "detail")[0], None, Budget(10_000_000, 64))
    assert len(key.payloads) <= 128
    assert sum(map(len, key.payloads)) > 0.5 * 128 * 64


@pytest.mark.parametrize("room", [3000, 650])
def test_patches_reach_the_receiver_and_their_loss_is_no_error(room: int) -> None:
    """In a stream's payload where it fits, else in one of its own."""
    policy = PatchPolicy(period=4, unconditional=1, share=1.0)
    sender, receiver = GraceCodec.load("grace-lite", patches=policy), GraceCodec.load("grace-lite", patches=policy)
    source = frames(4)
    key = sender.encode(source[0], None, Budget(1200))
    coded = sender.encode(source[1], key.reference, Budget(3000, room))
    hosts = [j for j, data in enumerate(coded.payloads) if data[0] & 0x20]
    assert len(hosts) == 1
    assert all(data[0] >> 7 for data in coded.payloads) == (room == 650)
    whole = receiver.decode(received(coded), key.reference)
    assert pixels(whole.reference) == pixels(coded.reference)
    without = receiver.decode(received(coded, frozenset(hosts)), key.reference)
    assert without.frame is not None
    assert not without.rejected


@pytest.mark.slow
@pytest.mark.parametrize("budget", [Budget(350), Budget(700), Budget(2000, 400)])
def test_every_region_is_refreshed_although_the_sender_skips_frames(budget: Budget) -> None:
    """Three regions; every third frame is coded, as when the encoder or the network is too slow for all of them."""
    policy = PatchPolicy(period=3, unconditional=4)
    sender, cycle = GraceCodec.load("grace-lite", patches=policy), policy.period * policy.unconditional
    source = frames(3 * 3 * cycle + 1)[::3]
    reference = sender.encode(source[0], None, Budget(1200)).reference
    slots: list[int] = []
    for number, frame in enumerate(source[1:]):
        coded = sender.encode(frame, reference, budget)
        reference = coded.reference
        assert sum(map(len, coded.payloads)) <= 1.05 * budget.frame_bytes
        slots += [data[4] for data in coded.payloads if data[0] & 0x20 and number >= cycle]
    assert min(slots.count(slot) for slot in (0, 1, 2)) >= 2


@pytest.mark.parametrize("size", [(64, 64), (66, 130), (320, 180)])
def test_any_even_size_works(codec: GraceCodec, size: tuple[int, int]) -> None:
    with open_clip("builtin:talk", ClipOptions(size=size, fps=25.0)) as clip:
        first, second = clip.play(2)
    key = codec.encode(first, None, Budget(2000))
    coded = codec.encode(second, key.reference, Budget(800))
    shown = codec.decode(received(coded), key.reference).frame
    assert shown is not None
    assert (shown.width, shown.height) == size


def test_a_fixed_level_is_the_level_that_is_sent(codec: GraceCodec, coded: list[CodedFrame]) -> None:
    fixed = GraceCodec.load("grace-lite")
    fixed.fix_level(20)
    frame = fixed.encode(frames(2)[1], coded[0].reference, Budget(1 << 20))
    assert frame.payloads[0][1] == 20
    with pytest.raises(ValueError, match="levels 0 to"):
        fixed.fix_level(1000)


def test_a_foreign_reference_is_a_callers_error(codec: GraceCodec) -> None:
    with pytest.raises(ValueError, match="no reference of this codec"):
        codec.encode(frames(1)[0], "something", BUDGET)
