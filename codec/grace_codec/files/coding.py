"""Whole clips to and from .grc files: budgets per frame, identity of model and file, writing a video. No packets lost
or found here but those that a pattern says.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from grace_codec.baselines.classical import av_frame
from grace_codec.errors import BackendError, BitstreamError, ModelError
from grace_codec.evaluation.loss_pattern import Bursts
from grace_codec.files.container import StreamInfo, StreamReader
from grace_codec.grace.codec import GraceCodec
from grace_codec.media import VideoClip
from grace_codec.types import Budget, CodedFrame, Frame, Planes, ReceivedFrame, Reference

KEY_FACTOR = 10  # budget of the first frame in budgets of the others: what follows builds on it
LEVEL_BUDGET = 8 << 20  # bytes: no bound, the level decides


def stream_info(codec: GraceCodec, clip: VideoClip) -> StreamInfo:
    rate = Fraction(clip.fps).limit_denominator(1001)
    return StreamInfo(codec.name, codec.wire_id, codec.identity, clip.width, clip.height, rate)


def encode_frames(
    codec: GraceCodec, clip: VideoClip, bitrate_bps: int | None, level: int | None
) -> Iterator[CodedFrame]:
    """Every frame of a clip, at a bitrate or at a fixed fine level."""
    codec.fix_level(level)
    reference: Reference | None = None
    for frame in clip.play():
        share = bitrate_bps / 8 / clip.fps if bitrate_bps else LEVEL_BUDGET
        key = reference is None and bitrate_bps is not None
        coded = codec.encode(frame, reference, Budget(round(share * (KEY_FACTOR if key else 1))))
        reference = coded.reference
        yield coded


def check_identity(codec: GraceCodec, info: StreamInfo, path: Path) -> None:
    """Raises ModelError where a file was coded with other weights or tables."""
    if info.identity != codec.identity or info.wire_id != codec.wire_id:
        raise ModelError(
            f"{path}: coded with model {info.profile} {info.identity:08x}; "
            f"this installation has {codec.name} {codec.identity:08x}; install the version that wrote it"
        )


def decode_frames(codec: GraceCodec, reader: StreamReader, bursts: Bursts, start: int = 0) -> Iterator[Planes]:
    """Planes of the frames from `start` on. The file was coded without knowing of any loss, so nothing resyncs after
    it; a frame of which every payload is lost shows the frame before once more."""
    if not 0 <= start < len(reader):
        raise BitstreamError(f"frame {start}: the file has frames 0 to {len(reader) - 1}")
    reference: Reference | None = None
    shown: Planes | None = None
    for index in range(reader.key_before(start), len(reader)):
        whole = reader.frame(index)
        arrived = whole.payloads if whole.key else bursts.arrived(index, whole.payloads)
        decoded = codec.decode(ReceivedFrame(index, whole.key, whole.total, arrived), reference)
        reference = decoded.reference
        if decoded.frame is not None:
            shown = decoded.frame.y, decoded.frame.u, decoded.frame.v
        if shown is None or (decoded.frame is None and arrived):
            reason = next(iter(decoded.rejected.values()), "no payload")
            raise BitstreamError(f"frame {index} does not decode: {reason}")
        if index >= start:
            yield shown


class VideoWriter:
    """Writes frames as a video file, nearly without loss (x264, CRF 12)."""

    def __init__(self, path: Path, width: int, height: int, fps: Fraction) -> None:
        import av

        try:
            self._container = av.open(str(path), "w")
            stream = self._container.add_stream("libx264", rate=fps, options={"crf": "12", "preset": "veryfast"})
        except (av.FFmpegError, ValueError) as error:
            raise BackendError(f"{path}: cannot be written: {error}; name it OUT.mp4 or OUT.mkv") from error
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        self._stream, self._fps, self._count = stream, float(fps), 0

    def add(self, planes: Planes) -> None:
        frame = av_frame(Frame(self._count, 0, *planes), self._count, self._fps)
        self._container.mux(self._stream.encode(frame))
        self._count += 1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind is None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
