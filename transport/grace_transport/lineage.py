"""Names of decoder states, computed from integers alone: ends that agree on a name agree on the state's history.

Neural decoders are not bit-exact across devices, so states are never compared by pixels."""

from __future__ import annotations

from struct import Struct
from zlib import crc32

NO_STATE = 0  # the parent of a key frame

_HISTORY = Struct("!IHHB")  # parent, frame id as on the wire, total, kind


def lineage(parent: int, frame_id: int, total: int, received: int, *, replayed: bool = False) -> int:
    """The name (1 to 2^32-1) of the state that payloads `received` (bitmap) of `total` of a frame make of `parent`.

    A state that was replayed (cached motion and residual, paper B.1) is not the one that was decoded: another name.
    The frame id counts modulo 2^16, so that a receiver that joined late still agrees; states live far shorter."""
    history = _HISTORY.pack(parent, frame_id & 0xFFFF, total, replayed)
    return crc32(received.to_bytes((total + 7) // 8, "little"), crc32(history)) or 1


def all_of(total: int) -> int:
    """The bitmap (bit i: payload i) of a frame of `total` payloads that arrived whole."""
    return (1 << total) - 1
