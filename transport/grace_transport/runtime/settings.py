"""Settings of a process from flags, environment variables and a TOML file, in that order of precedence.

Owns precedence and the wording of errors. Refuses to know what the settings mean.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

S = TypeVar("S", bound="ProcessSettings")

MAX_FILE_BYTES = 1 << 20  # a larger file is no file of settings
PLAIN_SCHEMES: Final = ("vp8", "h264")
"""Schemes that aiortc codes by itself, without the plug-in: to compare with."""


class ProcessSettings(BaseSettings):
    """Settings of one process. Subclasses set `env_prefix`. Names in the file are those of the flags, with - or _."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings


def load_settings(kind: type[S], flags: Mapping[str, object], file: Path | None = None) -> S:
    """Settings of type `kind` from flags (None: not given), environment and a TOML file.

    Raises ValueError with what is wrong, where it was given, and what to do."""
    given = {name: value for name, value in flags.items() if value is not None}
    written = _read(file) if file is not None else {}
    unknown = sorted(written.keys() - kind.model_fields.keys())
    if unknown:
        known = ", ".join(kind.model_fields)
        raise ValueError(f"{file}: unknown setting {unknown[0]!r}; there are {known}")
    prefix = str(kind.model_config.get("env_prefix", ""))
    from_environment = _in_environment(kind)
    try:
        return kind(**{name: value for name, value in written.items() if name not in from_environment} | given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        source = f"--{name.replace('_', '-')}"
        if name in kind.model_fields and kind.model_fields[name].default == ():  # a flag that may be repeated
            source = source.removesuffix("s")
        if name not in given and name in from_environment:
            source = f"{prefix}{name.upper()} in the environment"
        elif name not in given and name in written:
            source = f"{name} in {file}"
        raise ValueError(f"{source}: {_wording(first['type'], first['msg'])}") from error


def _in_environment(kind: type[ProcessSettings]) -> set[str]:
    import os

    prefix = str(kind.model_config.get("env_prefix", "")).lower()
    present = {name.lower() for name, value in os.environ.items() if value}
    return {name for name in kind.model_fields if prefix + name.lower() in present}


def _wording(kind: str, message: str) -> str:
    if kind == "missing":
        return "missing; give it as a flag, in the environment or in the file of --config"
    return message.removeprefix("Value error, ")


def _read(file: Path) -> dict[str, object]:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror or error}); give a TOML file") from error
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"{file}: larger than {MAX_FILE_BYTES >> 20} MiB, that is no file of settings")
    try:
        table = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: no TOML ({error}); write lines such as fps = 15") from error
    return {name.replace("-", "_"): value for name, value in table.items()}
