"""The .grc file: payloads of a whole clip with what it takes to decode and seek. Owns its bytes; knows no codec.

```
header 64 | frame | frame | ... | index: per frame offset 8, flags 1 | index CRC 4 | section | section ...
frame     = flags 1, payload count 1, payload lengths 2 each, payloads, CRC-32 of all that 4
section   = name 4, length 8, content, CRC-32 of all that 4
```
Sections are where the header says that there are some: TIME has the times of the frames where they are not even,
8 bytes of microseconds each; SNDM is the sound, a Matroska file.
Numbers are big-endian. The header is written last: a file whose writer died has no index and says so.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO

from grace_codec.errors import BitstreamError
from grace_codec.types import CodedFrame, ReceivedFrame

MAGIC = b"GRC\x1a"
VERSION = 3  # a file of version N holds payloads of PAYLOAD_VERSION N
HEADER = struct.Struct(">4sBBHHHIIIIQ16sQI")  # magic ... offset of the sections, CRC-32 of the 60 bytes before it
INDEX_ENTRY = struct.Struct(">QB")
SECTION = struct.Struct(">4sQ")
TIMES, SOUND = b"TIME", b"SNDM"
KEY = 1
MAX_FRAMES = 1 << 24
EVEN_US = 1000  # a frame that is this much off is where an even rate has it: containers round times to 1 ms
CHUNK_BYTES = 1 << 20


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


def _pack(info: StreamInfo, index_offset: int, sections_offset: int = 0) -> bytes:
    rate = info.fps.limit_denominator(1001)
    fields = (info.width, info.height, rate.numerator, rate.denominator, info.frames)
    name = info.profile.encode().ljust(16, b"\0")[:16]
    offsets = index_offset, name, sections_offset
    head = HEADER.pack(MAGIC, VERSION, info.wire_id, HEADER.size, *fields[:2], info.identity, *fields[2:], *offsets, 0)
    return head[:-4] + zlib.crc32(head[:-4]).to_bytes(4, "big")


def _unpack(head: bytes, path: Path) -> tuple[StreamInfo, int, int]:
    if len(head) < HEADER.size or head[:4] != MAGIC:
        raise BitstreamError(f"{path}: not a GRACE stream; `grace-rtc codec encode` makes one")
    _, version, wire_id, _, width, height, identity, num, den, frames, offset, name, sections, crc = HEADER.unpack(head)
    if version != VERSION:
        raise BitstreamError(f"{path}: version {version} of the format; this program reads {VERSION}: encode it again")
    if zlib.crc32(head[:-4]) != crc or not den or not num or frames > MAX_FRAMES:
        raise BitstreamError(f"{path}: the header is damaged; copy or encode the file again")
    profile = name.rstrip(b"\0").decode("ascii", "replace")
    return StreamInfo(profile, wire_id, identity, width, height, Fraction(num, den), frames), offset, sections


class StreamWriter:
    """Writes a .grc file frame by frame; `close` (or leaving the context without an error) makes it readable."""

    def __init__(self, path: Path, info: StreamInfo) -> None:
        self._info, self._index = info, bytearray()
        self._times_us = array("Q")
        self._even = True
        self._sound: IO[bytes] | None = None
        try:
            self._file: BinaryIO = path.open("wb")
        except OSError as error:
            raise BitstreamError(f"{path}: cannot be written: {error.strerror}") from error
        self._file.write(_pack(replace(info, frames=0), 0))

    def add(self, coded: CodedFrame, at_us: int | None = None) -> None:
        """The next frame, shown at `at_us` from the first on; None: at the even rate of the header."""
        due_us = round(len(self._times_us) * 1_000_000 / self._info.fps)
        self._times_us.append(due_us if at_us is None else at_us)
        self._even = self._even and abs(self._times_us[-1] - due_us) <= EVEN_US
        flags = KEY if coded.key else 0
        self._index += INDEX_ENTRY.pack(self._file.tell(), flags)
        lengths = struct.pack(f">BB{len(coded.payloads)}H", flags, len(coded.payloads), *map(len, coded.payloads))
        record = lengths + b"".join(coded.payloads)
        self._file.write(record + zlib.crc32(record).to_bytes(4, "big"))

    def attach_sound(self, matroska: IO[bytes]) -> None:
        """Sound to be kept with the frames; it is read when the file is closed."""
        self._sound = matroska

    def close(self) -> None:
        """Write the index, the sections and the header."""
        offset = self._file.tell()
        self._file.write(self._index + zlib.crc32(self._index).to_bytes(4, "big"))
        sections = self._file.tell()
        if not self._even:
            self._write_section(TIMES, BytesIO(struct.pack(f">{len(self._times_us)}Q", *self._times_us)))
        if self._sound is not None:
            self._write_section(SOUND, self._sound)
        if self._file.tell() == sections:
            sections = 0
        self._file.seek(0)
        self._file.write(_pack(replace(self._info, frames=len(self._times_us)), offset, sections))
        self._file.close()

    def _write_section(self, name: bytes, content: IO[bytes]) -> None:
        content.seek(0, 2)
        head = SECTION.pack(name, content.tell())
        content.seek(0)
        self._file.write(head)
        checksum = zlib.crc32(head)
        while chunk := content.read(CHUNK_BYTES):
            self._file.write(chunk)
            checksum = zlib.crc32(chunk, checksum)
        self._file.write(checksum.to_bytes(4, "big"))

    def __enter__(self) -> StreamWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()


class StreamReader:
    """Random access to the frames of a .grc file, which is mapped, not read into memory.

    Raises BitstreamError, with what is wrong, for anything else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                empty = path.stat().st_size == 0
                self._data = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise BitstreamError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
        self.info, offset, sections = _unpack(self._data[: HEADER.size], path)
        self._entries = self._read_index(offset)
        self._sections = self._read_sections(sections) if sections else {}

    @property
    def even(self) -> bool:
        """Whether the frames are 1 / fps apart."""
        return TIMES not in self._sections

    def times_us(self) -> Sequence[int]:
        """When each frame is shown, from the first on."""
        if self.even:
            return [round(index * 1_000_000 / self.info.fps) for index in range(len(self))]
        content = self._data[self._sections[TIMES]]
        if len(content) != 8 * len(self):
            raise BitstreamError(f"{self._path}: times of another number of frames; encode it again")
        return struct.unpack(f">{len(self)}Q", content)

    def sound(self) -> memoryview | None:
        """The sound as a Matroska file, not copied; None where there is none."""
        part = self._sections.get(SOUND)
        return None if part is None else memoryview(self._data)[part]

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

    def _read_sections(self, at: int) -> dict[bytes, slice]:
        """Where the content of each section is, checked."""
        found: dict[bytes, slice] = {}
        whole = memoryview(self._data)
        while at < len(whole):
            if at + SECTION.size > len(whole):
                raise BitstreamError(f"{self._path}: cut short; copy the file again")
            name, length = SECTION.unpack_from(whole, at)
            end = at + SECTION.size + length
            if end + 4 > len(whole):
                raise BitstreamError(f"{self._path}: cut short; copy the file again")
            if zlib.crc32(whole[at:end]).to_bytes(4, "big") != bytes(whole[end : end + 4]):
                raise BitstreamError(f"{self._path}: its times or its sound are damaged; copy the file again")
            found[name] = slice(at + SECTION.size, end)
            at = end + 4
        return found

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
