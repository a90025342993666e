"""H.264 as a real call sends it: x264 whose bitrate is changed while it runs, lost packets are sent again.

Nothing is idealised. The encoder runs in constant-bitrate mode with a small buffer (VBV), and each frame's budget sets
its bitrate anew; changing it costs no key frame. A P-frame is predicted from the frame before it, so a decoder shows a
frame only when all packets of it and of all frames before it have arrived.

How the rate is really changed: libavcodec hands a changed `bit_rate` on to x264 (`x264_encoder_reconfig`), which takes
it over only where the stream was opened in constant-bitrate mode (bitrate = maximum bitrate), and never above the rate
that it was opened with. So an encoder is opened with room above the first budget, and replaced (by an IDR frame) in the
rare case that the budget outgrows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from grace_codec.api import LossResponse
from grace_codec.baselines.classical import SETTINGS, av_frame, equal_parts, new_decoder, new_encoder
from grace_codec.media import planes_of
from grace_codec.types import Budget, CodedFrame, Decoded, Frame, Planes, ReceivedFrame, Reference

if TYPE_CHECKING:
    import av

FPS: Final = 25
"""The frame rate that x264 is told. Budgets are per frame: a frame's budget times this rate is the bitrate."""
ROOM: Final = 10
"""The rate an encoder is opened with, in multiples of the first budget's. Its buffer holds one frame at that rate, so
it is ten frames of the first budget: 0.4 s at 25 frames per second."""
LEAST_OPEN_BPS: Final = 2_000_000
MAX_PIXELS: Final = 1920 * 1088


@dataclass(frozen=True, slots=True)
class H264State:
    """An encoder or a decoder that has processed everything up to this frame. Each codec object has one state only."""

    frame_id: int


class X264Codec:
    """One end of a call. Loss response RETRANSMIT: all payloads or no frame."""

    name = "x264"
    wire_id: Final = 64  # the profile number in packets; GRACE's profiles have small numbers
    loss_response = LossResponse.RETRANSMIT

    def __init__(self) -> None:
        self._encoder: av.VideoCodecContext | None = None
        self._decoder: av.VideoCodecContext | None = None
        self._open_bps = 0
        self._coded = 0
        self._encoded: H264State | None = None
        self._decoded: H264State | None = None

    def encode(self, frame: Frame, reference: Reference | None, budget: Budget) -> CodedFrame:
        """Code the next frame; `reference` is None for a key frame, else the state after the frame coded last.

        Raises ValueError for any other reference, and BackendError where PyAV has no x264."""
        if reference is not None and reference != self._encoded:
            raise ValueError("x264 predicts from the frame that it coded last, from no other")
        bps = max(8 * budget.frame_bytes * FPS, 8_000)
        fresh = self._encoder is None or self._encoder.width != frame.width or self._encoder.height != frame.height
        if fresh or bps > self._open_bps:
            self._open(frame, bps)
        assert self._encoder is not None
        self._encoder.bit_rate = bps
        data = b"".join(map(bytes, self._encoder.encode(self._picture(frame, reference is None))))
        self._coded += 1
        self._encoded = H264State(frame.frame_id)
        return CodedFrame(frame.frame_id, reference is None, _payloads(data, budget.max_payload_bytes), self._encoded)

    def decode(self, received: ReceivedFrame, reference: Reference | None) -> Decoded:
        """The frame, once all of its payloads are here and the decoder has processed the frame that it refers to."""
        used = frozenset(received.payloads)
        if not received.key and (reference is None or reference != self._decoded):
            return Decoded(None, reference, frozenset(), dict.fromkeys(used, "predicted from a frame not decoded here"))
        if len(used) < received.total:
            return Decoded(None, reference, used)
        if received.key or self._decoder is None:
            self._decoder = _open_decoder()
        data = b"".join(received.payloads[index] for index in range(received.total))
        planes = next(_decoded(self._decoder, data), None)
        if planes is None:
            self._decoder = self._decoded = None
            return Decoded(None, reference, frozenset(), dict.fromkeys(used, "not a decodable H.264 frame"))
        self._decoded = H264State(received.frame_id)
        return Decoded(Frame(received.frame_id, 0, *planes), self._decoded, used)

    def replay(self, received: ReceivedFrame, reference: Reference) -> Reference:
        """Unused: a retransmitted stream has one state only."""
        return self.decode(received, reference).reference or reference

    def _open(self, frame: Frame, bps: int) -> None:
        """A new encoder, whose first frame is an IDR frame."""
        self._open_bps = max(ROOM * bps, LEAST_OPEN_BPS)
        self._encoder = _open_encoder(frame.width, frame.height, self._open_bps)

    def _picture(self, frame: Frame, key: bool) -> av.VideoFrame:
        from av.video.frame import PictureType

        picture = av_frame(frame, self._coded, FPS)
        picture.pict_type = PictureType.I if key else PictureType.NONE
        return picture


def _open_encoder(width: int, height: int, max_bps: int) -> av.VideoCodecContext:
    encoder = new_encoder("libx264", (width, height), FPS)
    encoder.bit_rate = max_bps
    encoder.options = {
        **SETTINGS["libx264"].options,
        "maxrate": str(max_bps),
        "bufsize": str(max_bps // FPS),
        "forced-idr": "1",
        # The buffer starts nearly empty: the first frame may take a tenth of it beyond its own share.
        "x264-params": "keyint=infinite:vbv-init=0.1:repeat-headers=1",
    }
    encoder.open()
    return encoder


def _open_decoder() -> av.VideoCodecContext:
    decoder = new_decoder("h264")
    decoder.options = {"flags": "low_delay"}
    return decoder


def _decoded(decoder: av.VideoCodecContext, data: bytes) -> Iterator[Planes]:
    """The planes of the frame in `data`; nothing where there is none, or one that no call may have."""
    import av

    try:
        for picture in decoder.decode(av.Packet(data)):
            if picture.format.name == "yuv420p" and picture.width * picture.height <= MAX_PIXELS:
                yield planes_of(picture)
    except av.FFmpegError:
        return


def _payloads(data: bytes, max_payload_bytes: int) -> tuple[bytes, ...]:
    """`data` in as few parts as fit."""
    return equal_parts(data, max(1, -(-len(data) // max_payload_bytes)))
