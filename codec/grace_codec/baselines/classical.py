"""Classical codecs through ffmpeg (PyAV), at the settings of real-time senders: clip in, one packet per frame out.

Owns the table of settings. Knows no packets on the wire and no budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from grace_codec.errors import BackendError, BitstreamError
from grace_codec.media import planes_of
from grace_codec.types import Frame, Plane, Planes

if TYPE_CHECKING:
    import av

KEY_INTERVAL: Final = 3000


@dataclass(frozen=True, slots=True)
class Settings:
    """How one encoder is run, on one thread. `quality`: the option that takes a CRF; "" where it has none.

    `params`: the encoder's own parameters (x265-params), which take the CRF instead."""

    decoder: str
    options: Mapping[str, str]
    quality: str = ""
    params: str = ""


SETTINGS: Final[Mapping[str, Settings]] = MappingProxyType(
    {
        "libx264": Settings("h264", {"preset": "veryfast", "tune": "zerolatency"}, quality="crf"),
        # Paper C.2: preset fast, tune zerolatency, keyint=3000. One thread (no pool, no frame threads) makes the bytes
        # the same in every run; info=0 leaves out the encoder's name and options, half a kilobyte.
        "libx265": Settings(
            "hevc",
            {"preset": "fast", "tune": "zerolatency"},
            params=f"keyint={KEY_INTERVAL}:pools=none:frame-threads=1:info=0:log-level=none",
        ),
        # As aiortc/codecs/vpx.py sets it; the rate options follow from the bitrate.
        "libvpx": Settings(
            "vp8",
            {
                "deadline": "realtime",
                "cpu-used": "-6",
                "lag-in-frames": "0",
                "noise-sensitivity": "4",
                "static-thresh": "1",
                "partitions": "0",
                "undershoot-pct": "100",
                "overshoot-pct": "15",
            },
        ),
    }
)


@dataclass(frozen=True, slots=True)
class ClassicalStream:
    """One packet per frame: NAL units with start codes (H.264, H.265), or a VP8 frame. The first is a key frame."""

    codec: str
    width: int
    height: int
    packets: tuple[bytes, ...]

    def decoded(self) -> Iterator[Planes]:
        """The frames' planes in order, decoded as they are asked for. BitstreamError where the packets are damaged."""
        return decode_packets(self.codec, self.packets)


@dataclass(frozen=True, slots=True)
class Quality:
    """A constant rate factor (x264, x265), the same quality throughout; smaller is better, 0 to 51."""

    crf: float


@dataclass(frozen=True, slots=True)
class Bitrate:
    """A mean bitrate, kept by the encoder's own rate control with a buffer of one second."""

    bps: int


def encode_clip(frames: Iterable[Frame], codec: str, rate: Quality | Bitrate, fps: float) -> ClassicalStream:
    """Encode frames of one size with a codec of SETTINGS; only the first is a key frame.

    Raises ValueError for an unknown codec, no frames, or a CRF where the codec has none, and BackendError where this
    build of ffmpeg lacks the encoder."""
    packets: list[bytes] = []
    encoder: av.VideoCodecContext | None = None
    size = (0, 0)
    for index, frame in enumerate(frames):
        if encoder is None:
            size = (frame.width, frame.height)
            encoder = _encoder(codec, size, rate, fps)
        packets.extend(bytes(packet) for packet in encoder.encode(av_frame(frame, index, fps)))
    if encoder is None:
        raise ValueError("no frames to encode")
    packets.extend(bytes(packet) for packet in encoder.encode(None))
    if codec == "libx264":
        packets[0] = _without_sei(packets[0])
    return ClassicalStream(codec, *size, tuple(packets))


def decode_packets(codec: str, packets: Iterable[bytes]) -> Iterator[Planes]:
    """The planes of one frame per packet, in order; the first packet is a key frame. BitstreamError where they are
    damaged."""
    import av

    decoder = new_decoder(SETTINGS[codec].decoder)
    sent = shown = 0
    failures = av.FFmpegError  # a local: this generator may outlive the module when the interpreter exits
    try:
        for data in packets:
            sent += 1
            for decoded in decoder.decode(av.Packet(data)):
                shown += 1
                yield planes_of(decoded)
        for decoded in decoder.decode(None):
            shown += 1
            yield planes_of(decoded)
    except failures as error:
        raise BitstreamError(f"damaged {SETTINGS[codec].decoder} stream ({error.strerror})") from error
    if shown < sent:
        raise BitstreamError(f"damaged {SETTINGS[codec].decoder} stream: {shown} frames of {sent} packets")


def _encoder(codec: str, size: tuple[int, int], rate: Quality | Bitrate, fps: float) -> av.VideoCodecContext:
    if codec not in SETTINGS:
        raise ValueError(f"unknown codec {codec!r}; known are {', '.join(SETTINGS)}")
    encoder = new_encoder(codec, size, fps)
    encoder.gop_size = KEY_INTERVAL
    encoder.options = _options(SETTINGS[codec], rate)
    if isinstance(rate, Bitrate):
        encoder.bit_rate = rate.bps
        if codec == "libvpx":
            encoder.qmin, encoder.qmax = 2, 56
    return encoder


def new_encoder(codec: str, size: tuple[int, int], fps: float) -> av.VideoCodecContext:
    """An encoder on one thread, not opened. size: (width, height). Raises BackendError where this build lacks it."""
    import av

    try:
        encoder = av.CodecContext.create(codec, "w")
    except av.codec.codec.UnknownCodecError as error:
        raise BackendError(
            f"this build of PyAV has no {codec}; install the wheel from PyPI (pip install av)"
        ) from error
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(fps).limit_denominator(1001)
    encoder.time_base = 1 / encoder.framerate
    encoder.thread_count = 1
    return encoder


def new_decoder(name: str) -> av.VideoCodecContext:
    """A decoder on one thread."""
    import av

    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    return decoder


def equal_parts(data: bytes, total: int) -> tuple[bytes, ...]:
    """`data` in `total` parts of equal size to one byte."""
    bounds = [len(data) * part // total for part in range(total + 1)]
    return tuple(data[bounds[part] : bounds[part + 1]] for part in range(total))


def _options(settings: Settings, rate: Quality | Bitrate) -> dict[str, str]:
    options = dict(settings.options)
    params = settings.params
    if isinstance(rate, Bitrate):
        options |= {"maxrate": str(rate.bps), "bufsize": str(rate.bps)}
        if settings.decoder == "vp8":
            options["minrate"] = str(rate.bps)  # with maxrate: constant bitrate
    elif settings.quality:
        options[settings.quality] = f"{rate.crf:g}"
    elif params:
        params += f":crf={rate.crf:g}"
    else:
        raise ValueError(f"{settings.decoder} takes a bitrate, not a quality")
    if params:
        options["x265-params"] = params
    return options


def av_frame(frame: Frame, index: int, fps: float) -> av.VideoFrame:
    """A PyAV frame with presentation time `index` in units of 1 / fps."""
    import av

    converted = av.VideoFrame(frame.width, frame.height, "yuv420p")
    for target, plane in zip(converted.planes, (frame.y, frame.u, frame.v), strict=True):
        target.update(_padded(plane, target.line_size))
    converted.pts = index
    converted.time_base = 1 / Fraction(fps).limit_denominator(1001)
    return converted


def _padded(plane: Plane, line_size: int) -> bytes:
    if plane.shape[1] == line_size:
        return plane.tobytes()
    wide = np.zeros((plane.shape[0], line_size), np.uint8)
    wide[:, : plane.shape[1]] = plane
    return wide.tobytes()


def _without_sei(packet: bytes) -> bytes:
    """Drop x264's note of its own version and options, 600 bytes that no decoder needs."""
    start = b"\x00\x00\x01"
    units = packet.split(start)
    return units[0] + b"".join(start + unit for unit in units[1:] if unit[:1] and unit[0] & 0x1F != 6)
