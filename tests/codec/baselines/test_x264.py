"""Laws of the H.264 scheme whose encoder changes its rate while it runs."""

from collections.abc import Iterator

import numpy as np
import pytest

from grace_codec.api import LossResponse
from grace_codec.baselines.x264 import X264Codec
from grace_codec.evaluation.quality import psnr_db
from grace_codec.media import ClipOptions, VideoClip, open_clip
from grace_codec.types import Budget, CodedFrame, Frame, ReceivedFrame


@pytest.fixture(scope="module")
def clip() -> Iterator[VideoClip]:
    with open_clip("builtin:pan", ClipOptions(size=(320, 180), fps=25)) as opened:
        yield opened


def whole(coded: CodedFrame) -> ReceivedFrame:
    return ReceivedFrame(coded.frame_id, coded.key, len(coded.payloads), dict(enumerate(coded.payloads)))


def coded_bytes(coded: CodedFrame) -> int:
    return sum(map(len, coded.payloads))


def test_rate_follows_the_budget_within_ten_frames_without_a_key_frame(clip: VideoClip) -> None:
    codec, reference = X264Codec(), None
    sizes: list[int] = []
    for index in range(60):
        budget = Budget(3000 if index < 30 else 900)
        coded = codec.encode(clip.frame(index), reference, budget)
        assert coded.key == (index == 0)
        reference, sizes = coded.reference, [*sizes, coded_bytes(coded)]
    assert 0.6 * 3000 < np.mean(sizes[20:30]) < 1.15 * 3000
    assert 0.6 * 900 < np.mean(sizes[40:60]) < 1.15 * 900


def test_budget_above_the_opened_rate_is_used(clip: VideoClip) -> None:
    codec, reference = X264Codec(), None
    sizes: list[int] = []
    for index in range(40):
        coded = codec.encode(clip.frame(index), reference, Budget(300 if index < 5 else 20_000))
        reference, sizes = coded.reference, [*sizes, coded_bytes(coded)]
    assert np.mean(sizes[-10:]) > 5000


def test_both_ends_show_the_same_and_a_frame_needs_all_its_payloads(clip: VideoClip) -> None:
    sender, receiver = X264Codec(), X264Codec()
    assert sender.loss_response is LossResponse.RETRANSMIT
    sent = shown = None
    for index in range(6):
        frame = clip.frame(index)
        coded = sender.encode(frame, sent, Budget(4000, 500))
        partial = ReceivedFrame(index, coded.key, len(coded.payloads), dict(list(enumerate(coded.payloads))[1:]))
        assert receiver.decode(partial, shown).frame is None
        decoded = receiver.decode(whole(coded), shown)
        assert decoded.frame is not None
        assert decoded.reference == coded.reference
        assert psnr_db(frame.y, decoded.frame.y) > 25
        sent, shown = coded.reference, decoded.reference


def test_key_frame_repairs_a_decoder_that_missed_frames(clip: VideoClip) -> None:
    sender, receiver = X264Codec(), X264Codec()
    first = sender.encode(clip.frame(0), None, Budget(4000))
    shown = receiver.decode(whole(first), None).reference
    missed = sender.encode(clip.frame(1), first.reference, Budget(4000))
    after = sender.encode(clip.frame(2), missed.reference, Budget(4000))
    assert receiver.decode(whole(after), missed.reference).frame is None
    key = sender.encode(clip.frame(3), None, Budget(16000))
    assert receiver.decode(whole(key), shown).frame is not None


def test_any_reference_but_the_last_is_a_callers_bug(clip: VideoClip) -> None:
    codec = X264Codec()
    first = codec.encode(clip.frame(0), None, Budget(4000))
    codec.encode(clip.frame(1), first.reference, Budget(4000))
    with pytest.raises(ValueError, match="coded last"):
        codec.encode(clip.frame(2), first.reference, Budget(4000))


def test_new_size_begins_with_a_key_frame(clip: VideoClip) -> None:
    codec = X264Codec()
    codec.encode(clip.frame(0), None, Budget(4000))
    y = np.full((96, 128), 90, np.uint8)
    small = Frame(1, 0, y, y[::2, ::2].copy(), y[::2, ::2].copy())
    decoded = X264Codec().decode(whole(codec.encode(small, None, Budget(4000))), None)
    assert decoded.frame is not None
    assert (decoded.frame.width, decoded.frame.height) == (128, 96)
