from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from grace_transport.runtime.settings import ProcessSettings, load_settings


class Sample(ProcessSettings):
    model_config = SettingsConfigDict(env_prefix="SAMPLE_")

    fps: float = Field(default=25, ge=1, le=120)
    name: str
    start_rate: int = 5


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sample.toml"
    path.write_text('fps = 10\nname = "file"\nstart-rate = 7\n')
    return path


def test_flags_before_environment_before_file_before_defaults(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    assert load_settings(Sample, {"name": "flag"}) == Sample(name="flag", fps=25, start_rate=5)
    monkeypatch.setenv("SAMPLE_FPS", "12")
    settings = load_settings(Sample, {"name": "flag", "fps": None}, file)
    assert (settings.name, settings.fps, settings.start_rate) == ("flag", 12, 7)
    assert load_settings(Sample, {"fps": 30, "name": None}, file).fps == 30


def test_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setenv("SAMPLE_FPS", "")
    assert load_settings(Sample, {}, file).fps == 10


def test_wrong_value_names_its_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^--fps: .*greater than or equal to 1"):
        load_settings(Sample, {"fps": 0, "name": "x"})
    with pytest.raises(ValueError, match=r"^--name: missing"):
        load_settings(Sample, {})
    bad = tmp_path / "bad.toml"
    bad.write_text('fps = "many"\n')
    with pytest.raises(ValueError, match=r"^fps in .*bad\.toml: "):
        load_settings(Sample, {"name": "x"}, bad)
    monkeypatch.setenv("SAMPLE_FPS", "1000")
    with pytest.raises(ValueError, match=r"^SAMPLE_FPS in the environment: "):
        load_settings(Sample, {"name": "x"}, bad)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"fsp = 1", "unknown setting 'fsp'; there are fps, name, start_rate"),
        (b"fps 1", "no TOML"),
        (b"\xff\xfe", "no TOML"),
        (b"a" * (1 << 21), "larger than 1 MiB"),
        (None, "cannot be read"),
    ],
)
def test_broken_file_is_one_clear_line(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "broken.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=says) as caught:
        load_settings(Sample, {}, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
