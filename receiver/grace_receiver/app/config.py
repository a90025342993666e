"""The settings of `grace-rtc receive`: names, limits and defaults. Environment: GRACE_RECEIVE_LISTEN and so on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from grace_transport.runtime.settings import PLAIN_SCHEMES, ProcessSettings


def _checked_listen(text: str) -> str:
    from grace_transport.signalling.address import parse_host_port

    parse_host_port(text)
    return text


def _checked_ice_servers(texts: tuple[str, ...]) -> tuple[str, ...]:
    from grace_transport.signalling.ice import check_ice_servers

    return check_ice_servers(texts)


IceServers = Annotated[tuple[str, ...], AfterValidator(_checked_ice_servers)]


class ReceiveConfig(ProcessSettings):
    """One receiving process. `seconds`: end so long after the start; `once`: end with the first call."""

    model_config = SettingsConfigDict(env_prefix="GRACE_RECEIVE_")

    listen: Annotated[str, AfterValidator(_checked_listen)]
    scheme: str = "grace-lite"
    record: Path | None = None
    record_frames: Path | None = None
    show: bool = False
    token: str | None = None
    no_token: bool = False
    ice_servers: IceServers = ()
    seconds: float | None = Field(default=None, gt=0, le=86_400 * 7)
    once: bool = False
    json_log: Path | None = None
    stats: float = Field(default=1.0, ge=0, le=3600)
    event_loop: Literal["auto", "asyncio", "uvloop"] = "auto"

    @property
    def plain(self) -> bool:
        """Without the plug-in: aiortc's own codecs alone."""
        return self.scheme in PLAIN_SCHEMES
