"""Pictures that the receiver showed, read from its lossless record, and compared with those that were captured.

Owns the record's format: raw I420, one picture after the other, each of the size that its line of the log says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from grace_codec.evaluation import quality
from grace_codec.media.clip import split_i420
from grace_codec.media.video_file import MAX_SOURCE_SIDE_PX
from grace_codec.types import Plane, Planes
from grace_lab.errors import LogError
from grace_lab.log.events import FrameQuality
from grace_lab.log.merge import Showing
from grace_lab.log.schema import SessionLog


class PictureRecord:
    """Pictures by number, read when they are asked for. Close it, or use `with`."""

    def __init__(self, path: Path, receiver: SessionLog) -> None:
        """Raises LogError where the record is missing or the log's sizes make no sense."""
        self._path = path
        self._places = dict(_places(receiver))
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise LogError(
                f"{path}: the record of shown pictures cannot be read ({error.strerror or error})"
            ) from error

    def picture(self, index: int) -> Planes | None:
        """Picture `index`; None where the record ends before it (a killed process did not write it any more)."""
        place = self._places.get(index)
        if place is None:
            return None
        offset, width, height = place
        self._file.seek(offset)
        data = self._file.read(width * height * 3 // 2)
        return split_i420(data, width, height) if len(data) == width * height * 3 // 2 else None

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> PictureRecord:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _places(receiver: SessionLog) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """(index, (offset, width, height)) of each picture in the record; index -1: shown, but not recorded."""
    offset, number = 0, 0
    for event in receiver.named("frame_shown"):
        index, width, height = (event.integer(name) for name in ("index", "width", "height"))
        if index == -1:
            continue
        sides = min(width, height), max(width, height)
        if index != number or sides[0] < 2 or sides[1] > MAX_SOURCE_SIDE_PX or width % 2 or height % 2:
            raise LogError(f"picture {number} of the receiver's log is number {index}, {width}x{height}: damaged")
        yield index, (offset, width, height)
        offset += width * height * 3 // 2
        number += 1


def measured(
    shown: Iterable[Showing], record: PictureRecord, captured: Callable[[int], Planes]
) -> dict[int, FrameQuality]:
    """frame_id -> quality of the picture shown of it, at the size it was captured: what the viewer sees.

    `captured(picture)` gives a picture of the clip."""
    found: dict[int, FrameQuality] = {}
    for showing in shown:
        planes = record.picture(showing.index)
        if planes is not None:
            sent = captured(showing.capture.picture)[0]
            luma = scaled(planes[0], sent.shape[1], sent.shape[0])
            found[showing.capture.frame_id] = FrameQuality(quality.ssim(sent, luma), quality.psnr_db(sent, luma))
    return found


def scaled(plane: Plane, width: int, height: int) -> Plane:
    """The plane at that size, as a player scales (bicubic); itself where it has it already."""
    if plane.shape == (height, width):
        return plane
    import cv2

    cv2.setNumThreads(1)
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def scaled_picture(planes: Planes, width: int, height: int) -> Planes:
    """All three planes at that size, both sides even."""
    y, u, v = planes
    return scaled(y, width, height), scaled(u, width // 2, height // 2), scaled(v, width // 2, height // 2)
