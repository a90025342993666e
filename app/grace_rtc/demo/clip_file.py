"""The demo's clip as a file: made once, the same pictures for every call and for the comparison afterwards.

Owns making it: drawn or scaled before the calls, so that doing so costs the calls nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from grace_codec.media.clip import ClipOptions, open_clip
from grace_codec.media.video_file import MIN_SIDE_PX
from grace_rtc.errors import DemoError

FILE_NAME = "clip.mkv"
PIXELS: Final = 320 * 180
"""What two cores bear in real time, with both ends and the network on them."""


def fitting_size(video: str) -> tuple[int, int]:
    """Width and height with the video's shape and at most PIXELS, both even. Raises ClipError."""
    with open_clip(video) as clip:
        scale = min(1.0, math.sqrt(PIXELS / (clip.width * clip.height)))
        width, height = (max(MIN_SIDE_PX, round(side * scale / 2) * 2) for side in (clip.width, clip.height))
    return width, height


def make_clip(
    video: str,
    path: Path,
    size: tuple[int, int],
    fps: float,
    frames: int,
    progress: Callable[[int], object] = id,
    first: int = 0,
) -> None:
    """Write `frames` pictures of `video` (a file or builtin:NAME, looped as in the lab) from `first` on, lossless.

    `progress` gets the number of pictures that are done. Raises ClipError, or DemoError where it cannot be written."""
    import av

    width, height = size
    rate = Fraction(fps).limit_denominator(1000)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_clip(video, ClipOptions(size=size, fps=fps)) as clip, av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=rate, options={"qp": "0", "preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for number in range(frames):
                frame = clip.frame(first + number)
                flat = np.concatenate([plane.reshape(-1) for plane in (frame.y, frame.u, frame.v)])
                picture = av.VideoFrame.from_ndarray(flat.reshape(height * 3 // 2, width), format="yuv420p")
                picture.pts, picture.time_base = number, 1 / rate
                container.mux(stream.encode(picture))
                progress(number + 1)
            container.mux(stream.encode(None))
    except (av.FFmpegError, OSError) as error:
        raise DemoError(f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})") from error
