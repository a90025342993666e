"""Opens a source by name, a file or a built-in scene, as frames in order. The one way in for whoever reads video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Protocol, Self

from grace_codec.errors import ClipError
from grace_codec.media.facts import VideoFacts
from grace_codec.media.opening import FrameRate
from grace_codec.media.synthetic import SCENES
from grace_codec.media.video_file import ClipOptions, Damage, TimedPlanes, VideoReader

BUILTIN: Final = "builtin:"
SCENE_SIZE: Final = (640, 360)
SCENE_FPS: Final = 25.0
SCENE_S: Final = 10.0
_SEED: Final = re.compile(r"[0-9]{0,9}")


class FrameReader(Protocol):
    """Frames of one size, in order, once. `fps`: the mean rate of what is read; `rate`: of the source.

    `damage`: what could not be decoded so far. `scaling`: for people, what was done to the source's size. `length_s`:
    how long the wanted part is, as far as the source states it. `facts`: None for scenes."""

    name: str
    width: int
    height: int
    fps: float
    rate: FrameRate
    damage: Damage
    facts: VideoFacts | None

    @property
    def scaling(self) -> str: ...

    @property
    def length_s(self) -> float | None: ...

    def audio(self) -> IO[bytes] | None:
        """The sound of the wanted part as a Matroska file; None where there is none. Close it."""
        ...

    def frames(self) -> Iterator[TimedPlanes]: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_video(source: str | Path, options: ClipOptions | None = None) -> FrameReader:
    """Frames of a video file, of standard input (`-`), or of `builtin:NAME[:SEED]` (talk, pan, detail).

    Raises ClipError (what, where, what to do next) for anything that is no readable video."""
    options = options or ClipOptions()
    return _SceneReader(str(source), options) if is_builtin(source) else VideoReader(source, options)


def is_builtin(source: str | Path) -> bool:
    return str(source).startswith(BUILTIN)


class _SceneReader:
    """A built-in scene, drawn frame by frame."""

    scaling = ""

    def __init__(self, source: str, options: ClipOptions) -> None:
        name, _, seed = source.removeprefix(BUILTIN).partition(":")
        if name not in SCENES or not _SEED.fullmatch(seed):
            names = ", ".join(BUILTIN + scene for scene in SCENES)
            raise ClipError(
                f"{source}: no such built-in clip; there are {names}, each also with a seed ({BUILTIN}talk:7)"
            )
        self.name = source
        self.width, self.height = options.size or SCENE_SIZE
        self.fps = options.fps or SCENE_FPS
        self.rate = FrameRate(self.fps, self.fps, self.fps)
        self.damage = Damage()
        self.facts: VideoFacts | None = None
        self._draw = SCENES[name](self.height, self.width, int(seed or 0) % (1 << 16))
        self._count = max(1, round((options.duration_s or SCENE_S) * self.fps))
        self._start_us = round(options.start_s * 1_000_000)

    def frames(self) -> Iterator[TimedPlanes]:
        for index in range(self._count):
            at_us = round(index * 1_000_000 / self.fps)
            yield TimedPlanes(at_us, self._draw(self._start_us + at_us))

    @property
    def length_s(self) -> float | None:
        return self._count / self.fps

    def audio(self) -> IO[bytes] | None:
        return None

    def close(self) -> None:
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
