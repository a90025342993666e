"""One still image to bytes and back: AV1 (SVT-AV1, dav1d). Owns the encoder's settings; knows no budget.

Chosen by measurement (docs/bitstream.md): HEVC intra needs up to 10 % fewer bytes for a whole 640x360 frame, but
three to ten times the time; on 64 to 112 px patches, where HEVC's parameter sets weigh 80 bytes, AV1 is as good or
better.
"""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np

from grace_codec.errors import BackendError
from grace_codec.runtime.scheduling import unchanged_scheduling
from grace_codec.types import Planes

AV1 = 1  # the codec's number in key frame payloads
MIN_SIDE_PX = 16
MIN_CRF, MAX_CRF = 2, 63

PRESET = 6  # 15 ms for 640x360, 3 ms for 112x80; 4 saves 8 % and takes five times as long
FAST_PRESET = 8  # for images of 112x80: 8 % more bytes in half the time
_TEMPORAL_DELIMITER = b"\x12\x00"  # opens every AV1 stream; not worth sending


def encode_still(planes: Planes, crf: int, preset: int = PRESET) -> bytes:
    """AV1 bytes of a yuv420 image at constant quality, CRF 2 (best) to 63. BackendError where there is no encoder."""
    import av

    y, u, v = planes
    height, width = y.shape
    os.environ.setdefault("SVT_LOG", "1")  # errors only; the library prints its settings for every image otherwise
    try:
        context = av.CodecContext.create("libsvtav1", "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
        params = f"rc=0:crf={min(max(crf, MIN_CRF), MAX_CRF)}:lp=1:avif=1:tune=2"
        context.options = {"preset": str(preset), "svtav1-params": params}
        packed = np.concatenate([y.reshape(-1), u.reshape(-1), v.reshape(-1)]).reshape(height * 3 // 2, width)
        frame = av.VideoFrame.from_ndarray(packed, format="yuv420p")
        frame.pts = 0
        with unchanged_scheduling():  # opening the encoder changes it and starts the encoder's threads
            context.open()
        with unchanged_scheduling():
            data = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    except (av.FFmpegError, ValueError) as error:
        raise BackendError(f"AV1 still of {width}x{height}: {error}; PyAV needs libsvtav1") from error
    return data.removeprefix(_TEMPORAL_DELIMITER)


def decode_still(data: bytes, width: int, height: int) -> Planes | None:
    """The image's planes, or None where the bytes are no image of this size. Never raises for the bytes."""
    import av

    context = av.CodecContext.create("libdav1d", "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    context.options = {"framesizelimit": str(width * height)}
    try:
        packet = av.Packet(_TEMPORAL_DELIMITER + data)
        frames = [*context.decode(packet), *context.decode(None)]
    except (av.FFmpegError, ValueError):
        return None
    if len(frames) != 1 or (frames[0].width, frames[0].height, frames[0].format.name) != (width, height, "yuv420p"):
        return None
    packed = np.asarray(frames[0].to_ndarray(), np.uint8)
    chroma = packed[height:].reshape(2, height // 2, width // 2)
    return packed[:height].copy(), chroma[0].copy(), chroma[1].copy()
