"""What a source says of itself, for people: streams, rates, colour, orientation, aspect ratio."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from grace_codec.media.colour import colour_of
from grace_codec.media.opening import FrameRate
from grace_codec.media.orientation import upright

if TYPE_CHECKING:
    import av
    from av.stream import Stream

_TURNS: Final = {
    (): "upright",
    ("hflip",): "mirrored",
    ("vflip", "copy"): "flipped upside down",
    ("hflip", "vflip", "copy"): "turned by 180 degrees",
    ("clock",): "turned by 90 degrees clockwise",
    ("cclock",): "turned by 90 degrees counterclockwise",
    ("cclock_flip",): "turned and mirrored",
    ("clock_flip",): "turned and mirrored",
}


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """Of one file. `size`: as stored. `aspect`: width by height of a pixel. `orientation`: what has to be done to show
    it. `matrix` ends with `(guessed)` where it is not stated."""

    container: str
    streams: tuple[str, ...]
    size: tuple[int, int]
    pix_fmt: str
    aspect: str
    orientation: str
    range: str
    matrix: str
    transfer: str
    primaries: str
    rate: FrameRate


def facts_of(
    container: av.container.InputContainer, film: av.VideoStream, frame: av.VideoFrame, rate: FrameRate, by_size: bool
) -> VideoFacts:
    """What is known once the first frame is decoded."""
    colour = colour_of(frame, by_size)
    turn = tuple(arguments or name for name, arguments in upright(frame))
    aspect = film.sample_aspect_ratio or Fraction(1)
    return VideoFacts(
        container=container.format.name.split(",")[0],
        streams=tuple(_stream_text(stream, film) for stream in container.streams),
        size=(frame.width, frame.height),
        pix_fmt=frame.format.name,
        aspect=f"{aspect.numerator}:{aspect.denominator}",
        orientation=_TURNS.get(turn, "turned"),
        range="full" if colour.full else "limited",
        matrix=colour.matrix_name + (" (guessed)" if colour.guessed else ""),
        transfer=colour.transfer_name,
        primaries=colour.primaries_name,
        rate=rate,
    )


def _stream_text(stream: Stream, film: av.VideoStream) -> str:
    from av.audio.stream import AudioStream
    from av.stream import Disposition
    from av.video.stream import VideoStream

    if isinstance(stream, VideoStream):
        cover = bool(stream.disposition & Disposition.attached_pic)
        role = "shown" if stream.index == film.index else ("cover art" if cover else "not shown")
        return f"video {stream.codec_context.name} {stream.width}x{stream.height} ({role})"
    if isinstance(stream, AudioStream):
        context = stream.codec_context
        return f"audio {context.name} {context.sample_rate} Hz {context.layout.name}"
    return stream.type
