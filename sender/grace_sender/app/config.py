"""The settings of `grace-rtc send`: names, limits and defaults. Environment: GRACE_SEND_FPS and so on."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from grace_codec.media import check_size, parse_size
from grace_transport.runtime.settings import PLAIN_SCHEMES, ProcessSettings

MIN_BITRATE_BPS: Final = 20_000
MAX_BITRATE_BPS: Final = 100_000_000
_BITRATE: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([kKmM]?)")
_UNITS: Final = {"": 1, "k": 1_000, "m": 1_000_000}


def parse_bitrate(text: str) -> int:
    """`1500k`, `1.5M` or 1500000 as bits per second. Raises ValueError for anything else."""
    match = _BITRATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"bitrate {text!r}: write it as 800k, 1.5M or 1500000")
    return round(float(match[1]) * _UNITS[match[2].lower()])


def _bitrate(value: object) -> object:
    """Texts are parsed here; values of other types are left to pydantic."""
    return parse_bitrate(value) if isinstance(value, str) else value


def _checked_size(text: str) -> str:
    from grace_codec.errors import ClipError

    size = parse_size(text)
    assert size is not None
    try:
        check_size(*size, "the wanted size")
    except ClipError as error:
        raise ValueError(str(error)) from error
    return text


def _checked_url(text: str) -> str:
    from grace_transport.signalling.address import base_url

    return base_url(text)


def _checked_ice_servers(texts: tuple[str, ...]) -> tuple[str, ...]:
    from grace_transport.signalling.ice import check_ice_servers

    return check_ice_servers(texts)


IceServers = Annotated[tuple[str, ...], AfterValidator(_checked_ice_servers)]
Bitrate = Annotated[int, BeforeValidator(_bitrate), Field(ge=MIN_BITRATE_BPS, le=MAX_BITRATE_BPS)]
Size = Annotated[str, AfterValidator(_checked_size)]
Url = Annotated[str, AfterValidator(_checked_url)]


class SendConfig(ProcessSettings):
    """One sending process. Times in seconds. `seconds`: end so long after the first connection; `give_up`: end after so
    long without a call (None: never)."""

    model_config = SettingsConfigDict(env_prefix="GRACE_SEND_")

    input: str = Field(min_length=1)
    to: Url
    scheme: str = "grace-lite"
    size: Size | None = None
    fps: float | None = Field(default=None, ge=0.1, le=120)
    pix_fmt: str | None = None
    loop: bool = False
    seconds: float | None = Field(default=None, gt=0, le=86_400 * 7)
    adapt: bool = True
    cc: str = "gcc"
    start_bitrate: Bitrate = 300_000
    min_bitrate: Bitrate = 30_000
    max_bitrate: Bitrate = 12_000_000
    token: str | None = None
    session: str = Field(default_factory=lambda: secrets.token_hex(8), pattern=r"^[A-Za-z0-9_-]{8,64}$")
    ice_servers: IceServers = ()
    give_up: float | None = Field(default=None, gt=0)
    json_log: Path | None = None
    stats: float = Field(default=1.0, ge=0, le=3600)
    event_loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    seed: int = Field(default=1, ge=0, le=2**32 - 1)

    @property
    def frame_size(self) -> tuple[int, int] | None:
        return parse_size(self.size)

    @property
    def plain(self) -> bool:
        """Without the plug-in: aiortc's own codec and bitrate control."""
        return self.scheme in PLAIN_SCHEMES
