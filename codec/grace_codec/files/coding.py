"""Whole videos to and from .grc files: budgets per frame, identity of model and file. No packets lost or found here but
those that a pattern says. Memory does not grow with the length of a video.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from grace_codec.errors import BitstreamError, ModelError
from grace_codec.evaluation.loss_pattern import Bursts
from grace_codec.files.container import StreamInfo, StreamReader
from grace_codec.grace.codec import GraceCodec
from grace_codec.media import FrameReader
from grace_codec.types import Budget, CodedFrame, Frame, Planes, ReceivedFrame, Reference

KEY_FACTOR = 10  # budget of the first frame in budgets of the others: what follows builds on it
LEVEL_BUDGET = 8 << 20  # bytes: no bound, the level decides


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A coded frame and when it is shown, in microseconds from the first one."""

    at_us: int
    coded: CodedFrame


def stream_info(codec: GraceCodec, video: FrameReader) -> StreamInfo:
    """The header of a file that is about to be written."""
    rate = Fraction(video.fps).limit_denominator(1001)
    return StreamInfo(codec.name, codec.wire_id, codec.identity, video.width, video.height, rate)


def encode_frames(
    codec: GraceCodec, video: FrameReader, bitrate_bps: int | None, level: int | None
) -> Iterator[TimedFrame]:
    """Every frame of a video, at a bitrate or at a fixed fine level, one at a time.

    A frame may cost what the bitrate gives in the time since the frame before, half to twice the mean interval."""
    codec.fix_level(level)
    reference: Reference | None = None
    mean_us, last_us = 1_000_000 / video.fps, 0
    for number, timed in enumerate(video.frames()):
        interval_us = min(max(timed.at_us - last_us if number else mean_us, mean_us / 2), mean_us * 2)
        share = bitrate_bps / 8 * interval_us / 1_000_000 if bitrate_bps else LEVEL_BUDGET
        key = reference is None and bitrate_bps is not None
        frame = Frame(number, timed.at_us, *timed.planes)
        coded = codec.encode(frame, reference, Budget(round(share * (KEY_FACTOR if key else 1))))
        reference, last_us = coded.reference, timed.at_us
        yield TimedFrame(timed.at_us, coded)


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


@contextmanager
def sound_file(reader: StreamReader) -> Iterator[str | None]:
    """The path of a temporary file with the sound of a .grc file; None where it has none."""
    sound = reader.sound()
    if sound is None:
        yield None
        return
    with tempfile.NamedTemporaryFile(prefix="grace-audio-", suffix=".mka") as file:
        file.write(sound)
        file.flush()
        sound.release()
        yield file.name
