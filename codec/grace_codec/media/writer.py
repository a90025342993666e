"""Writes frames as video that players show right: their times, square pixels, their colour, and sound beside them."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from grace_codec.errors import BackendError
from grace_codec.media.audio import AudioTrack
from grace_codec.media.colour import tag
from grace_codec.media.convert import video_frame
from grace_codec.media.opening import RAW_SUFFIXES, STDIN
from grace_codec.types import Planes

CLOCK_HZ: Final = 90_000
_H264: Final = {"crf": "12", "preset": "veryfast"}


class VideoWriter:
    """One video file, nearly without loss (x264, CRF 12); .y4m, raw frames (.yuv) and `-` (Y4M to a pipe) without."""

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        fps: Fraction,
        even: bool = True,
        audio: str | None = None,
        audio_offset_s: float = 0.0,
    ) -> None:
        """`even`: frames are 1 / fps apart; otherwise each has the time that it is added with. `audio`: a file with
        sound, of which `audio_offset_s` becomes 0.

        Raises BackendError where the file cannot be written."""
        import av

        self._path, self._fps, self._even, self._count = path, fps, even, 0
        plain = str(path) == STDIN or path.suffix.lower() in (".y4m", *RAW_SUFFIXES)
        form = None
        if plain:
            form = "rawvideo" if path.suffix.lower() in RAW_SUFFIXES else "yuv4mpegpipe"
        try:
            target = sys.stdout.buffer if str(path) == STDIN else str(path)
            self._container = av.open(target, "w", format=form)
            if plain:
                self._stream: av.VideoStream = self._container.add_stream("rawvideo", rate=fps)
            else:
                self._stream = self._container.add_stream("libx264", rate=fps, options=_H264)
        except (av.FFmpegError, ValueError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BackendError(f"{path}: cannot be written ({reason}); name it OUT.mp4, OUT.mkv or OUT.y4m") from error
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._base = 1 / fps if even or plain else Fraction(1, CLOCK_HZ)
        self._stream.codec_context.time_base = self._base
        self._stream.codec_context.sample_aspect_ratio = Fraction(1, 1)
        if not plain:
            self._stream.time_base = self._base
            tag(self._stream.codec_context)
        self._audio = AudioTrack(audio, self._container, audio_offset_s) if audio and not plain else None
        self._last_pts = -1

    def add(self, planes: Planes, at_us: int | None = None) -> None:
        """The next frame. `at_us`: when it is shown, from the first on; counts where frames are not even."""
        import av

        frame = video_frame(planes)
        pts = self._count
        if self._base.denominator == CLOCK_HZ and not self._even and at_us is not None:
            pts = max(self._last_pts + 1, at_us * CLOCK_HZ // 1_000_000)
        frame.pts, frame.time_base = pts, self._base
        self._last_pts = pts
        try:
            self._container.mux(self._stream.encode(frame))
            if self._audio is not None:
                self._audio.write_until(float(pts * self._base))
        except (av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BackendError(f"{self._path}: cannot be written ({reason})") from error
        self._count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._container.mux(self._stream.encode(None))
                if self._audio is not None:
                    self._audio.write_until(float((self._last_pts * self._base) + 1 / self._fps))
                    self._audio.close()
        finally:
            self._container.close()
