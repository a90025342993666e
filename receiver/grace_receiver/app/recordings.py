"""The recordings of a process: one film per call (OUT.mp4, OUT-2.mp4 …), one record of pictures for all of them.

Owns their names and their failures: what cannot be written is said once, and never disturbs a call.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from grace_receiver.app.record import Mp4Writer, RawWriter, Recording
from grace_receiver.errors import RecordError

if TYPE_CHECKING:
    import av


class Recordings:
    """`problems` are for people; whoever shows them empties the list."""

    def __init__(self, film: Path | None, pictures: Path | None) -> None:
        """RecordError where a wanted file cannot be written."""
        self.problems: list[str] = []
        self._path = film
        self._films = 0
        self._film = self._next_film()
        self._pictures = None if pictures is None else Recording(RawWriter(pictures), pictures)

    def add(self, picture: av.VideoFrame, now_us: int) -> bool:
        """A picture was shown. False: it is missing in the record of pictures, so it must not be numbered."""
        if self._film is None and self._path is not None:
            self._begin_again()
        if self._film is not None:
            self._film.add(picture, now_us)
        return self._pictures is None or self._pictures.add(picture, now_us)

    def look_after(self) -> None:
        """Call it now and then: a disk that is full ends a recording, not the call."""
        if self._film is not None and self._film.error is not None:
            self._fail(self._film.error)
        if self._pictures is not None and self._pictures.error is not None:
            self.problems.append(self._pictures.error)
            self._pictures = None

    async def end_film(self, end_us: int) -> None:
        """The call is over: its last picture stands until `end_us`."""
        film, self._film = self._film, None
        if film is not None:
            await self._finish(film, end_us)

    async def close(self, end_us: int) -> None:
        await self.end_film(end_us)
        pictures, self._pictures = self._pictures, None
        if pictures is not None:
            await self._finish(pictures, end_us)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _begin_again(self) -> None:
        try:
            self._film = self._next_film()
        except RecordError as error:
            self._fail(str(error))

    def _next_film(self) -> Recording | None:
        if self._path is None:
            return None
        self._films += 1
        path = self._path if self._films == 1 else self._path.with_stem(f"{self._path.stem}-{self._films}")
        return Recording(Mp4Writer(path), path)

    def _fail(self, problem: str) -> None:
        self.problems.append(problem)
        self._film = self._path = None

    async def _finish(self, recording: Recording, end_us: int) -> None:
        await asyncio.to_thread(recording.close, end_us)
        if recording.error is not None:
            self.problems.append(recording.error)
        elif recording.dropped:
            self.problems.append(f"{recording.path}: {recording.dropped} pictures missing, the disk was too slow")
