"""The .grc file: payloads of a whole clip with what it takes to decode and seek. Owns its bytes; knows no codec.

```
header 64 | frame | frame | ... | index: per frame offset 8, flags 1 | index CRC 4
frame     = flags 1, payload count 1, payload lengths 2 each, payloads, CRC-32 of all that 4
```
Numbers are big-endian. The header is written last: a file whose writer died has no index and says so.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from grace_codec.errors import BitstreamError
from grace_codec.types import CodedFrame, ReceivedFrame

MAGIC = b"GRC\x1a"
VERSION = 2  # 1 held payloads of PAYLOAD_VERSION 1
HEADER = struct.Struct(">4sBBHHHIIIIQ16s8sI")  # magic ... reserved, CRC-32 of the 60 bytes before it
INDEX_ENTRY = struct.Struct(">QB")
KEY = 1
MAX_FRAMES = 1 << 24


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What the header says. identity: of model and tables; payloads carry it in their checksums, too."""

    profile: str
    wire_id: int
    identity: int
    width: int
    height: int
    fps: Fraction
    frames: int = 0


def _pack(info: StreamInfo, index_offset: int) -> bytes:
    rate = info.fps.limit_denominator(1001)
    fields = (info.width, info.height, rate.numerator, rate.denominator, info.frames)
    name = info.profile.encode().ljust(16, b"\0")[:16]
    head = HEADER.pack(
        MAGIC, VERSION, info.wire_id, HEADER.size, *fields[:2], info.identity, *fields[2:], index_offset, name, b"", 0
    )
    return head[:-4] + zlib.crc32(head[:-4]).to_bytes(4, "big")


def _unpack(head: bytes, path: Path) -> tuple[StreamInfo, int]:
    if len(head) < HEADER.size or head[:4] != MAGIC:
        raise BitstreamError(f"{path}: not a GRACE stream; `grace-rtc codec encode` makes one")
    _, version, wire_id, _, width, height, identity, num, den, frames, offset, name, _, crc = HEADER.unpack(head)
    if version != VERSION:
        raise BitstreamError(f"{path}: version {version} of the format; this program reads {VERSION}: encode it again")
    if zlib.crc32(head[:-4]) != crc or not den or not num or frames > MAX_FRAMES:
        raise BitstreamError(f"{path}: the header is damaged; copy or encode the file again")
    profile = name.rstrip(b"\0").decode("ascii", "replace")
    return StreamInfo(profile, wire_id, identity, width, height, Fraction(num, den), frames), offset


class StreamWriter:
    """Writes a .grc file frame by frame; `close` (or leaving the context without an error) makes it readable."""

    def __init__(self, path: Path, info: StreamInfo) -> None:
        self._info, self._index = info, bytearray()
        try:
            self._file: BinaryIO = path.open("wb")
        except OSError as error:
            raise BitstreamError(f"{path}: cannot be written: {error.strerror}") from error
        self._file.write(_pack(replace(info, frames=0), 0))

    def add(self, coded: CodedFrame) -> None:
        flags = KEY if coded.key else 0
        self._index += INDEX_ENTRY.pack(self._file.tell(), flags)
        lengths = struct.pack(f">BB{len(coded.payloads)}H", flags, len(coded.payloads), *map(len, coded.payloads))
        record = lengths + b"".join(coded.payloads)
        self._file.write(record + zlib.crc32(record).to_bytes(4, "big"))

    def close(self) -> None:
        offset = self._file.tell()
        self._file.write(self._index + zlib.crc32(self._index).to_bytes(4, "big"))
        self._file.seek(0)
        self._file.write(_pack(replace(self._info, frames=len(self._index) // INDEX_ENTRY.size), offset))
        self._file.close()

    def __enter__(self) -> StreamWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()


class StreamReader:
    """Random access to the frames of a .grc file. Raises BitstreamError, with what is wrong, for anything else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise BitstreamError(f"{path}: cannot be read: {error.strerror}") from error
        self.info, offset = _unpack(self._data[: HEADER.size], path)
        self._entries = self._read_index(offset)

    def _read_index(self, offset: int) -> list[tuple[int, int]]:
        size = self.info.frames * INDEX_ENTRY.size
        if offset == 0:
            raise BitstreamError(f"{self._path}: never finished: it has no index; encode it again")
        index = self._data[offset : offset + size]
        crc = self._data[offset + size : offset + size + 4]
        if offset < HEADER.size or len(index) < size or len(crc) < 4:
            raise BitstreamError(f"{self._path}: cut short: its index is missing; copy the file again")
        if zlib.crc32(index).to_bytes(4, "big") != crc:
            raise BitstreamError(f"{self._path}: the index is damaged; copy the file again")
        return list(INDEX_ENTRY.iter_unpack(index))

    def __len__(self) -> int:
        return len(self._entries)

    def key_before(self, index: int) -> int:
        """The nearest key frame at or before a frame: where decoding must begin to show it."""
        for at in range(index, -1, -1):
            if self._entries[at][1] & KEY:
                return at
        raise BitstreamError(f"{self._path}: no key frame at or before frame {index}")

    def frame(self, index: int) -> ReceivedFrame:
        """All payloads of a frame, checked."""
        start, flags = self._entries[index]
        payloads = self._payloads(start, flags, index)
        return ReceivedFrame(index, bool(flags & KEY), len(payloads), payloads)

    def _payloads(self, start: int, flags: int, index: int) -> Mapping[int, bytes]:
        damaged = BitstreamError(f"{self._path}: frame {index} is damaged; copy the file again")
        if start < HEADER.size or start + 2 > len(self._data) or self._data[start] != flags:
            raise damaged
        count = self._data[start + 1]
        at = start + 2 + 2 * count
        if at > len(self._data):
            raise damaged
        lengths = struct.unpack_from(f">{count}H", self._data, start + 2)
        end = at + sum(lengths)
        if zlib.crc32(self._data[start:end]).to_bytes(4, "big") != self._data[end : end + 4]:
            raise damaged
        payloads = {}
        for j, length in enumerate(lengths):
            payloads[j] = self._data[at : at + length]
            at += length
        return payloads

    def __iter__(self) -> Iterator[ReceivedFrame]:
        return (self.frame(index) for index in range(len(self)))
