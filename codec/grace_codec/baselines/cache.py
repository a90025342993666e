"""A folder of encoded clips, so that no clip is encoded twice. Files are checked; a damaged one counts as absent."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import struct
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from grace_codec.baselines.classical import SETTINGS, Bitrate, ClassicalStream, Quality

MAX_CACHE_BYTES: Final = 4 << 30
"""The files used longest ago are deleted beyond this."""
_MAGIC: Final = b"GRCSTR01"
_LENGTH: Final = struct.Struct("!I")
_MAX_HEADER_BYTES: Final = 1 << 24
_DIGEST_BYTES: Final = 32


def cache_folder() -> Path:
    """GRACE_CACHE where it is set, else the user's cache folder of the platform."""
    if chosen := os.environ.get("GRACE_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "grace-rtc"


def stream_key(frames_digest: str, codec: str, rate: Quality | Bitrate, fps: float) -> str:
    """The name under which an encode is kept: a hash of everything that its bytes depend on.

    frames_digest: hash of the frames and their size."""
    import av

    libraries = {name: list(version) for name, version in sorted(av.library_versions.items())}
    settings = SETTINGS[codec]
    facts = [frames_digest, codec, dict(settings.options), settings.params, repr(rate), fps, av.__version__, libraries]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class StreamCache:
    """Encoded clips by key in a folder; None: `cache_folder()`. A folder that cannot be written only costs time."""

    def __init__(self, folder: Path | None = None, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self.folder = (folder or cache_folder()) / "streams"
        self._max_bytes = max_bytes

    def load(self, key: str) -> ClassicalStream | None:
        """The stream of that key, or None where there is none or its file is damaged."""
        path = self.folder / f"{key}.bin"
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        try:
            return unpack_stream(data, key)
        except ValueError as error:
            logging.getLogger(__name__).warning("%s: %s; it is made anew", path, error)
            return None

    def store(self, key: str, stream: ClassicalStream) -> None:
        """Write at once or not at all: a half-written file never takes the name."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
                file.write(pack_stream(key, stream))
            Path(file.name).replace(self.folder / f"{key}.bin")
            self._prune()
        except OSError as error:
            logging.getLogger(__name__).warning(
                "%s: cannot keep encoded clips (%s); set GRACE_CACHE", self.folder, error
            )

    def _prune(self) -> None:
        known = []
        for entry in os.scandir(self.folder):
            with suppress(FileNotFoundError):  # another process may prune at the same time
                known.append((entry.stat(), entry))
        total = sum(facts.st_size for facts, _ in known)
        for facts, entry in sorted(known, key=lambda pair: pair[0].st_mtime_ns):
            if total <= self._max_bytes:
                return
            Path(entry.path).unlink(missing_ok=True)
            total -= facts.st_size


def pack_stream(key: str, stream: ClassicalStream) -> bytes:
    """Magic, length and text of a JSON header, packets, SHA-256 of all that."""
    header = {
        "key": key,
        "codec": stream.codec,
        "width": stream.width,
        "height": stream.height,
        "sizes": [len(packet) for packet in stream.packets],
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    body = b"".join((_MAGIC, _LENGTH.pack(len(text)), text, *stream.packets))
    return body + hashlib.sha256(body).digest()


def unpack_stream(data: bytes, key: str) -> ClassicalStream:
    """The stream that `pack_stream` packed under this key; ValueError for anything else."""
    body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    start = len(_MAGIC) + _LENGTH.size
    if not body.startswith(_MAGIC) or len(body) < start or hashlib.sha256(body).digest() != digest:
        raise ValueError("not a cached stream, or a damaged one")
    (length,) = _LENGTH.unpack_from(body, len(_MAGIC))
    if length > min(_MAX_HEADER_BYTES, len(body) - start):
        raise ValueError("the header is too long")
    header = json.loads(body[start : start + length])
    if not isinstance(header, dict) or header.get("key") != key or header.get("codec") not in SETTINGS:
        raise ValueError("a stream of another key")
    sizes = header["sizes"]
    packets, position = [], start + length
    for size in sizes:
        packets.append(body[position : position + size])
        position += size
    if position != len(body):
        raise ValueError("sizes do not add up")
    return ClassicalStream(header["codec"], header["width"], header["height"], tuple(packets))
