"""How far decoders of different backends drift apart where no key frame comes: bounded, and not growing for ever.

A backend may round the last bit of a sum otherwise than another, so references differ by single levels, and what is
predicted from them too. Entropy coding is exact everywhere. Coded residuals and I-patches pull both back.
"""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("openvino")

from grace_codec.backends import BACKENDS
from grace_codec.evaluation.quality import psnr_db
from grace_codec.files.coding import encode_frames
from grace_codec.grace.codec import GraceCodec
from grace_codec.media import ClipOptions, open_video
from grace_codec.types import CodedFrame, Plane, ReceivedFrame, Reference

FRAMES = 300
SIZE = (128, 96)


@pytest.fixture(scope="module")
def coded() -> list[CodedFrame]:
    """Twelve seconds with a single key frame, coded with OpenVINO, at a rate of a call."""
    with open_video("builtin:talk", ClipOptions(SIZE, 25.0, duration_s=FRAMES / 25)) as video:
        codec = GraceCodec.load("grace-lite", "openvino")
        return [timed.coded for timed in encode_frames(codec, video, 300_000, None)]


def decoded(coded: list[CodedFrame], backend: str) -> list[Plane]:
    """The luma of every frame."""
    codec = GraceCodec.load("grace-lite", backend)
    reference: Reference | None = None
    frames = []
    for frame in coded:
        received = ReceivedFrame(frame.frame_id, frame.key, len(frame.payloads), dict(enumerate(frame.payloads)))
        result = codec.decode(received, reference)
        assert result.frame is not None
        assert not result.rejected
        reference = result.reference
        frames.append(result.frame.y)
    return frames


@pytest.mark.slow
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "openvino"])
def test_decoders_of_two_backends_stay_together_over_300_frames(backend: str, coded: list[CodedFrame]) -> None:
    pairs = zip(decoded(coded, "openvino"), decoded(coded, backend), strict=True)
    alike_db = [min(99.0, psnr_db(one, other)) for one, other in pairs]
    assert len(alike_db) == FRAMES
    assert min(alike_db) >= 42  # seen: 47.6 with torch; the codec itself is 35 to 45 dB away from the source
    middle, end = (float(np.mean(part)) for part in (alike_db[100:200], alike_db[200:]))
    assert end > middle - 3  # in the third hundred it has come to rest
