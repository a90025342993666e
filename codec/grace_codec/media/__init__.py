"""Reading any video as frames that can be coded, and built-in scenes.

    with open_video("phone.mp4") as video:         # or "-", "builtin:talk", "foreman_352x288_30.yuv"
        for frame in video.frames():               # TimedPlanes: at_us, planes (y, u, v)
            ...

Frames are upright, have square pixels and even sides, and are in one colour space (see `colour`). `open_clip` keeps
frames for any order of access and for looping.
"""

from __future__ import annotations

from grace_codec.media.clip import VideoClip, open_clip, palindrome, split_i420
from grace_codec.media.convert import FrameConverter, planes_of, video_frame
from grace_codec.media.facts import VideoFacts
from grace_codec.media.geometry import MIN_SIDE_PX, check_size, coded_size, parse_size
from grace_codec.media.reader import BUILTIN, FrameReader, open_video
from grace_codec.media.video_file import ClipOptions, Damage, TimedPlanes, VideoReader
from grace_codec.media.writer import VideoWriter

__all__ = [
    "BUILTIN",
    "MIN_SIDE_PX",
    "ClipOptions",
    "Damage",
    "FrameConverter",
    "FrameReader",
    "TimedPlanes",
    "VideoClip",
    "VideoFacts",
    "VideoReader",
    "VideoWriter",
    "check_size",
    "coded_size",
    "open_clip",
    "open_video",
    "palindrome",
    "parse_size",
    "planes_of",
    "split_i420",
    "video_frame",
]
