"""The bytes of one payload around its stream: header, checksum, I-patch, key frame chunks. Refuses to know latents.

```
P-frame   | kind·profile 1 | level 1 | CRC 2 | [slot 1, patch length 2, patch] | entropy coded stream |
  or, where the I-patch fits with no stream: every payload says so, and the last one is the patch alone
key frame | kind·profile 1 | codec 1 | CRC 2 | [width 2, height 2, length 4: first chunk only] | chunk |
```
Numbers are big-endian. The CRC also covers what both ends know without being told (`Context`): a payload of another
model, frame size, packet count or index does not pass. 16 bits are enough here: on the wire UDP's checksum and
SRTP's authentication stand in front of it, in files one over the whole frame; it is against mix-ups, not noise.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from grace_codec.entropy.mapping import MAX_PACKETS

HEADER_BYTES = 4
PATCH_HEADER_BYTES = 3
KEY_HEADER_BYTES = 8
MAX_KEY_BYTES = 4 << 20
MAX_PATCH_BYTES = 0xFFFF
MAX_PROFILE_ID = 15

_KIND_MASK, _P_FRAME, _KEY_FRAME, _P_FRAME_PATCH_LAST = 0xC0, 0x00, 0x40, 0x80
_PATCH, _MOVING = 0x20, 0x10


class RejectedError(Exception):
    """A payload from outside is not usable; the text says why. The packet codec catches it."""


@dataclass(frozen=True, slots=True)
class Context:
    """What sender and receiver know of a payload without reading it. Part of its checksum."""

    profile: int  # wire id, 0..15
    model: int  # identity of weights and tables, 32 bits
    width: int  # of the frame; 0 for key frames, which bring it
    height: int
    index: int
    total: int

    def checksum(self, head: bytes, body: bytes) -> bytes:
        known = struct.pack(">BIHHBB", self.profile, self.model, self.width, self.height, self.index, self.total)
        crc = binascii.crc_hqx(body, binascii.crc_hqx(head, binascii.crc_hqx(known, 0xFFFF)))
        return crc.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class CodecIdentity:
    """What both ends of a call must share, as every payload's checksum covers it.

    wire_id: the profile's number, 0..15; checksum: of weights and tables, 32 bits."""

    wire_id: int
    checksum: int

    def context(self, size: tuple[int, int], index: int, total: int) -> Context:
        """Context of payload `index` of `total`. size: (width, height) of the frame, (0, 0) for key frames."""
        return Context(self.wire_id, self.checksum, *size, index, total)


@dataclass(frozen=True, slots=True)
class Patch:
    """An I-patch: one region of the frame as an AV1 still. slot: number of the region."""

    slot: int
    data: bytes


@dataclass(frozen=True, slots=True)
class PredictedPayload:
    """A P-frame's payload.

    level: fine rate level, 0 to 255; moving: whether the frame has motion at all; stream: entropy coded latents;
    patch: the I-patch that travels with them; patch_last: the frame's last payload is its I-patch alone, and the
    latents travel in the others."""

    level: int
    moving: bool
    stream: bytes
    patch: Patch | None = None
    patch_last: bool = False

    @property
    def frame_facts(self) -> tuple[int, bool, bool]:
        """(level, moving, patch_last): what all payloads of one frame must say alike."""
        return self.level, self.moving, self.patch_last


@dataclass(frozen=True, slots=True)
class KeyChunk:
    """A piece of a key frame. The first one brings `size` (width, height) and the `length` of the whole."""

    codec: int
    data: bytes
    size: tuple[int, int] | None = None
    length: int = 0


def write_predicted(payload: PredictedPayload, context: Context) -> bytes:
    """The bytes of a P-frame's payload."""
    flags = (_PATCH if payload.patch else 0) | (_MOVING if payload.moving else 0)
    kind = _P_FRAME_PATCH_LAST if payload.patch_last else _P_FRAME
    head = bytes((kind | flags | context.profile, payload.level))
    body = payload.stream
    if payload.patch:
        body = struct.pack(">BH", payload.patch.slot, len(payload.patch.data)) + payload.patch.data + body
    return head + context.checksum(head, body) + body


def read_predicted(data: bytes, context: Context) -> PredictedPayload:
    """Raises RejectedError for anything that `write_predicted` would not have written in this context."""
    _check(data, context, (_P_FRAME, _P_FRAME_PATCH_LAST))
    body, patch = data[HEADER_BYTES:], None
    if data[0] & _PATCH:
        if len(body) < PATCH_HEADER_BYTES:
            raise RejectedError("I-patch header is cut short")
        slot, length = struct.unpack_from(">BH", body)
        if len(body) < PATCH_HEADER_BYTES + length:
            raise RejectedError(f"I-patch of {length} bytes in {len(body)} bytes")
        patch = Patch(slot, body[PATCH_HEADER_BYTES : PATCH_HEADER_BYTES + length])
        body = body[PATCH_HEADER_BYTES + length :]
    patch_last = data[0] & _KIND_MASK == _P_FRAME_PATCH_LAST
    if patch_last and (context.total < 2 or (context.index == context.total - 1) != (patch is not None and not body)):
        raise RejectedError("the I-patch is not the last payload")
    return PredictedPayload(data[1], bool(data[0] & _MOVING), body, patch, patch_last)


def carries_patch(data: bytes) -> bool:
    """Whether a P-frame's payload that was accepted, or written, brings an I-patch."""
    return bool(data[0] & _PATCH)


def patch_is_last(data: bytes) -> bool:
    """Whether the frame of such a payload has its I-patch in a payload of its own, the last."""
    return data[0] & _KIND_MASK == _P_FRAME_PATCH_LAST


def write_key(codec: int, size: tuple[int, int], data: bytes, context: Context, max_payload: int) -> tuple[bytes, ...]:
    """A still image in chunks, equal but for the last. `context.index` and `total` are filled in here.

    Raises ValueError where it needs more than MAX_PACKETS payloads."""
    room = max_payload - HEADER_BYTES
    whole = struct.pack(">HHI", *size, len(data)) + data
    total = -(-len(whole) // room)
    if total > MAX_PACKETS:
        raise ValueError(f"a key frame of {len(data)} bytes needs {total} payloads; {MAX_PACKETS} are allowed")
    share = -(-len(whole) // total)
    head = bytes((_KEY_FRAME | context.profile, codec))
    payloads = []
    for index in range(total):
        body = whole[index * share : (index + 1) * share]
        mine = Context(context.profile, context.model, 0, 0, index, total)
        payloads.append(head + mine.checksum(head, body) + body)
    return tuple(payloads)


def read_key(data: bytes, context: Context) -> KeyChunk:
    """Raises RejectedError for what is no chunk of a key frame in this context."""
    _check(data, context, (_KEY_FRAME,))
    body = data[HEADER_BYTES:]
    if context.index > 0:
        return KeyChunk(data[1], body)
    if len(body) < KEY_HEADER_BYTES:
        raise RejectedError("key frame header is cut short")
    width, height, length = struct.unpack_from(">HHI", body)
    if width % 2 or height % 2 or not (64 <= width <= 1920 and 64 <= height <= 1920):
        raise RejectedError(f"frame of {width}x{height}")
    if not 0 < length <= MAX_KEY_BYTES:
        raise RejectedError(f"key frame of {length} bytes")
    return KeyChunk(data[1], body[KEY_HEADER_BYTES:], (width, height), length)


def join_key(chunks: Sequence[KeyChunk]) -> bytes:
    """The still image from all its chunks in order. Raises RejectedError where they do not add up."""
    data = b"".join(chunk.data for chunk in chunks)
    if len(data) != chunks[0].length:
        raise RejectedError(f"key frame of {chunks[0].length} bytes arrived as {len(data)}")
    return data


def _check(data: bytes, context: Context, kinds: tuple[int, ...]) -> None:
    if not 1 <= context.total <= MAX_PACKETS or not 0 <= context.index < context.total:
        raise RejectedError(f"packet {context.index} of {context.total}")
    if len(data) < HEADER_BYTES:
        raise RejectedError(f"{len(data)} bytes are no payload")
    if data[0] & _KIND_MASK not in kinds:
        raise RejectedError("no key frame's payload" if _KEY_FRAME in kinds else "no P-frame's payload")
    if data[0] & MAX_PROFILE_ID != context.profile:
        raise RejectedError(f"coded with profile {data[0] & MAX_PROFILE_ID}, not {context.profile}")
    if context.checksum(data[:2], data[HEADER_BYTES:]) != data[2:HEADER_BYTES]:
        raise RejectedError("checksum: damaged, or of another model, frame size or place in the frame")
