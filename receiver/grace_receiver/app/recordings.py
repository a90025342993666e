"""The recordings of a process: one video per call (OUT.mp4, OUT-2.mp4 …), one record of frames for all of them.

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

    def __init__(self, video: Path | None, frames: Path | None) -> None:
        """RecordError where a wanted file cannot be written."""
        self.problems: list[str] = []
        self._path = video
        self._videos = 0
        self._video = self._next_video()
        self._frames = None if frames is None else Recording(RawWriter(frames), frames)

    def add(self, video: av.VideoFrame, now_us: int) -> bool:
        """A frame was shown. False: it is missing in the record of frames, so it must not be numbered."""
        if self._video is None and self._path is not None:
            self._begin_again()
        if self._video is not None:
            self._video.add(video, now_us)
        return self._frames is None or self._frames.add(video, now_us)

    def look_after(self) -> None:
        """Call it now and then: a disk that is full ends a recording, not the call."""
        if self._video is not None and self._video.error is not None:
            self._fail(self._video.error)
        if self._frames is not None and self._frames.error is not None:
            self.problems.append(self._frames.error)
            self._frames = None

    async def end_video(self, end_us: int) -> None:
        """The call is over: its last frame stands until `end_us`."""
        ended, self._video = self._video, None
        if ended is not None:
            await self._finish(ended, end_us)

    async def close(self, end_us: int) -> None:
        await self.end_video(end_us)
        frames, self._frames = self._frames, None
        if frames is not None:
            await self._finish(frames, end_us)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _begin_again(self) -> None:
        try:
            self._video = self._next_video()
        except RecordError as error:
            self._fail(str(error))

    def _next_video(self) -> Recording | None:
        if self._path is None:
            return None
        self._videos += 1
        path = self._path if self._videos == 1 else self._path.with_stem(f"{self._path.stem}-{self._videos}")
        return Recording(Mp4Writer(path), path)

    def _fail(self, problem: str) -> None:
        self.problems.append(problem)
        self._video = self._path = None

    async def _finish(self, recording: Recording, end_us: int) -> None:
        await asyncio.to_thread(recording.close, end_us)
        if recording.error is not None:
            self.problems.append(recording.error)
        elif recording.dropped:
            self.problems.append(f"{recording.path}: {recording.dropped} frames missing, the disk was too slow")
