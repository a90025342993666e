"""Finds the video codec that an SDP answer chose. The text may be hostile: work is bounded, and nothing raises."""

from __future__ import annotations

import re
from typing import Final

_CODEC: Final = re.compile(r"^a=rtpmap:(\d+) ([A-Za-z0-9.-]+)/", re.MULTILINE)
_VIDEO: Final = re.compile(r"^m=video (\d+) \S+ (\d+)", re.MULTILINE)


def chosen_video_codec(answer: str) -> str:
    """The codec's name as in the SDP; "" if there is no video, or it was refused (port 0, RFC 3264 section 6)."""
    line = _VIDEO.search(answer)
    if line is None or line[1] == "0":
        return ""
    return next((name for number, name in _CODEC.findall(answer[line.start() :]) if number == line[2]), "")
