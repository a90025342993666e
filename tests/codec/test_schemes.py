"""The packet codec contract, over every row of SCHEMES."""

from collections.abc import Iterator

import pytest

from grace_codec.api import PacketCodec
from grace_codec.media import ClipOptions, VideoClip, open_clip
from grace_codec.schemes import SCHEMES, live_scheme
from grace_codec.types import Budget, CodedFrame, ReceivedFrame

FRAMES = 4
BUDGET = Budget(2500, 1150)
pytest.importorskip("openvino", reason="the codec extra is not installed")


@pytest.fixture(scope="module")
def clip() -> Iterator[VideoClip]:
    with open_clip("builtin:talk", ClipOptions(size=(128, 96), fps=25)) as opened:
        yield opened


@pytest.fixture(scope="module", params=list(SCHEMES))
def ends(
    request: pytest.FixtureRequest, clip: VideoClip, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PacketCodec, PacketCodec]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        make = SCHEMES[request.param].make
        yield make(clip, FRAMES), make(clip, FRAMES)


def received(coded: CodedFrame, *indexes: int) -> ReceivedFrame:
    payloads = {index: coded.payloads[index] for index in indexes}
    return ReceivedFrame(coded.frame_id, coded.key, len(coded.payloads), payloads)


def test_complete_frames_decode_to_frames_of_the_clips_size(
    ends: tuple[PacketCodec, PacketCodec], clip: VideoClip
) -> None:
    encoder, decoder = ends
    sent = shown = None
    for frame_id in range(FRAMES):
        frame = clip.frame(frame_id)
        coded = encoder.encode(frame, sent, BUDGET)
        assert coded.key == (frame_id == 0)
        assert coded.payloads
        assert max(map(len, coded.payloads)) <= BUDGET.max_payload_bytes
        decoded = decoder.decode(received(coded, *range(len(coded.payloads))), shown)
        assert decoded.used == frozenset(range(len(coded.payloads)))
        assert decoded.frame is not None
        if SCHEMES[encoder.name].pixels:
            assert decoded.frame.y.shape == frame.y.shape
            assert decoded.frame.u.shape == frame.u.shape
        sent, shown = coded.reference, decoded.reference


def test_same_payloads_and_reference_give_the_same_frame(
    ends: tuple[PacketCodec, PacketCodec], clip: VideoClip
) -> None:
    encoder, decoder = ends
    key = encoder.encode(clip.frame(0), None, BUDGET)
    pictures = [decoder.decode(received(key, *range(len(key.payloads))), None).frame for _ in range(2)]
    assert pictures[0] is not None
    assert pictures[1] is not None
    assert pictures[0].y.tobytes() == pictures[1].y.tobytes()


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"\xff" * 40, bytes(range(256)) * 4])
def test_bytes_from_outside_are_rejected_with_a_reason(
    ends: tuple[PacketCodec, PacketCodec], clip: VideoClip, garbage: bytes
) -> None:
    encoder, decoder = ends
    key = encoder.encode(clip.frame(0), None, BUDGET)
    reference = decoder.decode(received(key, *range(len(key.payloads))), None).reference
    for is_key in (True, False):
        decoded = decoder.decode(ReceivedFrame(1, is_key, 2, {0: garbage, 1: garbage}), reference)
        assert not decoded.used
        assert set(decoded.rejected) == {0, 1}
        assert all(decoded.rejected.values())


LIVE = [name for name, scheme in SCHEMES.items() if scheme.live is not None]


def test_live_numbers_tell_the_schemes_apart() -> None:
    """Two ends that negotiated one of them must not take the other's payloads."""
    identities = [live_scheme(name).identity() for name in LIVE]
    assert len(set(identities)) == len(LIVE)


@pytest.mark.parametrize("name", LIVE)
def test_live_identity_is_that_of_the_codec(name: str) -> None:
    live = live_scheme(name)
    codec = live.make()
    assert codec.name == name
    assert live.identity() == (getattr(codec, "wire_id", 0), getattr(codec, "identity", 0))


@pytest.mark.parametrize("name", LIVE)
def test_live_codec_takes_another_size_with_a_key_frame(name: str) -> None:
    codec = live_scheme(name).make()
    for size in ((128, 96), (64, 80), (96, 64)):
        with open_clip("builtin:talk", ClipOptions(size=size, fps=25)) as clip:
            key = codec.encode(clip.frame(0), None, BUDGET)
            after = codec.encode(clip.frame(1), key.reference, BUDGET)
        decoded = codec.decode(received(key, *range(len(key.payloads))), None)
        assert codec.decode(received(after, *range(len(after.payloads))), decoded.reference).used


@pytest.mark.parametrize(("name", "why"), [("h265", "clip beforehand"), ("nothing", "no such scheme")])
def test_what_cannot_be_used_live_is_refused_with_what_can(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"{why}.*use grace-lite"):
        live_scheme(name)
