"""Laws of the H.265 baseline: real bytes within the budget, a picture only when all of them are here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace_codec.api import LossResponse, PacketCodec
from grace_codec.baselines.cache import StreamCache
from grace_codec.baselines.h265 import H265Codec, h265_codec
from grace_codec.baselines.ladder import Ladder, LadderPlan, build_ladder
from grace_codec.media import ClipOptions, VideoClip, open_clip
from grace_codec.schemes import SCHEMES
from grace_codec.types import Budget, CodedFrame, Frame, ReceivedFrame, Reference

PLAN = LadderPlan(probes=(51, 40, 30, 20), step=1.4, min_bps=1000)


@pytest.fixture(scope="module")
def clip() -> Iterator[VideoClip]:
    with open_clip("builtin:pan", ClipOptions(size=(128, 96), duration_s=0.4)) as clip:
        yield clip


@pytest.fixture(scope="module")
def ladder(clip: VideoClip, tmp_path_factory: pytest.TempPathFactory) -> Ladder:
    return build_ladder(clip, 10, plan=PLAN, cache=StreamCache(tmp_path_factory.mktemp("cache")), workers=1)


@pytest.fixture
def codec(ladder: Ladder) -> H265Codec:
    return H265Codec(ladder)


def received(coded: CodedFrame, *lost: int) -> ReceivedFrame:
    kept = {index: data for index, data in enumerate(coded.payloads) if index not in lost}
    return ReceivedFrame(coded.frame_id, coded.key, len(coded.payloads), kept)


def psnr(shown: Frame, source: Frame) -> float:
    return float(10 * np.log10(255**2 / np.mean((shown.y.astype(int) - source.y) ** 2)))


def size(coded: CodedFrame) -> int:
    return sum(map(len, coded.payloads))


def test_h265_is_a_packet_codec_that_wants_lost_packets_again(codec: H265Codec) -> None:
    assert isinstance(codec, PacketCodec)
    assert codec.loss_response is LossResponse.RETRANSMIT
    assert "costs nothing" in SCHEMES["h265"].idealised


def test_call_without_loss_shows_every_frame(clip: VideoClip, codec: H265Codec) -> None:
    sent: Reference | None = None
    seen: Reference | None = None
    for frame in clip.play(10):
        coded = codec.encode(frame, sent, Budget(700))
        decoded = codec.decode(received(coded), seen)
        assert decoded.frame is not None
        assert decoded.frame.frame_id == frame.frame_id
        assert psnr(decoded.frame, frame) > 20
        assert decoded.reference == coded.reference
        sent, seen = coded.reference, decoded.reference


def test_frames_use_their_budget_and_do_not_exceed_it(clip: VideoClip, codec: H265Codec, ladder: Ladder) -> None:
    state = codec.encode(clip.frame(2), None, Budget(4000)).reference
    smallest, largest = ladder.sizes[:, 3].min(), ladder.sizes[:, 3].max()
    for frame_bytes in range(int(smallest) + 60, int(largest), 97):
        coded = codec.encode(clip.frame(3), state, Budget(frame_bytes, 300))
        assert 0.6 * frame_bytes < size(coded) <= frame_bytes
        assert max(map(len, coded.payloads)) <= 300


def test_more_budget_is_never_worse(clip: VideoClip, codec: H265Codec) -> None:
    state = codec.encode(clip.frame(2), None, Budget(4000)).reference
    qualities = []
    for frame_bytes in (150, 300, 600, 1200, 2400):
        decoded = codec.decode(received(codec.encode(clip.frame(3), state, Budget(frame_bytes))), state)
        assert decoded.frame is not None
        qualities.append(psnr(decoded.frame, clip.frame(3)))
    assert qualities == sorted(qualities)


def test_too_small_a_budget_takes_the_smallest_version(clip: VideoClip, codec: H265Codec, ladder: Ladder) -> None:
    coded = codec.encode(clip.frame(3), codec.encode(clip.frame(2), None, Budget(4000)).reference, Budget(1))
    assert size(coded) == ladder.sizes[:, 3].min() + 6


def test_payloads_carry_the_encoders_own_bytes(clip: VideoClip, codec: H265Codec, ladder: Ladder) -> None:
    coded = codec.encode(clip.frame(0), None, Budget(4000, 900))
    data = b"".join(payload[6:] for payload in coded.payloads)
    assert data in [ladder.packet(rung, 0) for rung in range(len(ladder.rungs))]
    assert data.startswith(b"\x00\x00\x00\x01\x40")  # a video parameter set


@pytest.mark.parametrize("index", [0, 6])
def test_key_frame_is_as_fine_as_its_budget_allows(clip: VideoClip, codec: H265Codec, index: int) -> None:
    sizes = [size(codec.encode(clip.frame(index), None, Budget(frame_bytes))) for frame_bytes in (1200, 2400, 4800)]
    assert 600 < sizes[0] <= 1200 < sizes[1] <= 2400 < sizes[2] <= 4800


def test_key_frame_restarts_a_receiver_that_has_nothing(clip: VideoClip, codec: H265Codec) -> None:
    coded = codec.encode(clip.frame(6), None, Budget(4000))
    decoded = codec.decode(received(coded), None)
    assert coded.key
    assert decoded.frame is not None
    assert psnr(decoded.frame, clip.frame(6)) > 22


@pytest.mark.parametrize("lost", [0, 1])
def test_frame_with_a_missing_payload_is_not_shown(clip: VideoClip, codec: H265Codec, lost: int) -> None:
    coded = codec.encode(clip.frame(0), None, Budget(4000, 900))
    decoded = codec.decode(received(coded, lost), None)
    assert decoded.frame is None
    assert decoded.reference is None
    assert decoded.used == set(range(len(coded.payloads))) - {lost}


def test_frame_whose_predecessor_was_never_shown_is_not_shown(clip: VideoClip, codec: H265Codec) -> None:
    first = codec.encode(clip.frame(0), None, Budget(4000))
    second = codec.encode(clip.frame(1), first.reference, Budget(900))
    third = codec.encode(clip.frame(2), second.reference, Budget(900))
    assert codec.decode(received(third), first.reference).frame is None
    assert codec.decode(received(third), None).frame is None
    assert codec.decode(received(third), second.reference).frame is not None


def test_frame_after_a_skipped_one_refers_to_what_was_sent(clip: VideoClip, codec: H265Codec) -> None:
    first = codec.encode(clip.frame(0), None, Budget(4000))
    third = codec.encode(clip.frame(2), first.reference, Budget(900))
    assert codec.decode(received(third), first.reference).frame is not None


def test_altered_payload_is_rejected(clip: VideoClip, codec: H265Codec) -> None:
    coded = codec.encode(clip.frame(0), None, Budget(4000, 900))
    altered = bytearray(coded.payloads[1])
    altered[-1] ^= 1
    payloads = dict(enumerate(coded.payloads)) | {1: bytes(altered)}
    decoded = codec.decode(ReceivedFrame(0, True, len(coded.payloads), payloads), None)
    assert decoded.frame is None
    assert decoded.rejected == {1: "not what the ladder holds"}
    assert 1 not in decoded.used


def test_payloads_of_two_versions_do_not_mix(clip: VideoClip, codec: H265Codec) -> None:
    state = codec.encode(clip.frame(2), None, Budget(4000)).reference
    fine = codec.encode(clip.frame(3), state, Budget(1500, 200))
    coarse = codec.encode(clip.frame(3), state, Budget(500, 70))
    total = len(fine.payloads)
    assert len(coarse.payloads) >= 2
    mixed = dict(enumerate(fine.payloads)) | {1: coarse.payloads[1]}
    decoded = codec.decode(ReceivedFrame(3, False, total, mixed), state)
    assert decoded.frame is None
    assert set(decoded.rejected) == {1}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    frame_id=st.integers(-3, 40),
    key=st.booleans(),
    total=st.integers(-1, 70_000),
    payloads=st.dictionaries(st.integers(-2, 300), st.binary(max_size=30), max_size=8),
)
def test_no_bytes_from_outside_raise_or_show_a_picture(
    codec: H265Codec, frame_id: int, key: bool, total: int, payloads: dict[int, bytes]
) -> None:
    decoded = codec.decode(ReceivedFrame(frame_id, key, total, payloads), None)
    assert decoded.frame is None
    assert set(decoded.rejected) == set(payloads)


def test_caller_bugs_raise(clip: VideoClip, codec: H265Codec) -> None:
    foreign = Frame(1, 40_000, clip.frame(5).y, clip.frame(5).u, clip.frame(5).v)
    with pytest.raises(ValueError, match="not among the frames"):
        codec.encode(foreign, None, Budget(4000))
    with pytest.raises(ValueError, match="not among the frames"):
        codec.encode(clip.frame(99), None, Budget(4000))
    with pytest.raises(ValueError, match="another codec"):
        codec.encode(clip.frame(1), object(), Budget(900))
    with pytest.raises(ValueError, match="max_payload_bytes"):
        codec.encode(clip.frame(1), None, Budget(900, 6))


def test_both_ends_share_one_ladder(clip: VideoClip, tmp_path: Path) -> None:
    plan, cache = LadderPlan(probes=(51,)), StreamCache(tmp_path)
    steps: list[int] = []
    sender = h265_codec(clip, 4, plan=plan, cache=cache, progress=lambda done, _: steps.append(done))
    receiver = h265_codec(clip, 4, plan=plan, cache=cache, progress=lambda done, _: steps.append(done))
    assert steps == [1]
    coded = sender.encode(clip.frame(0), None, Budget(4000))
    assert receiver.decode(received(coded), None).frame is not None
