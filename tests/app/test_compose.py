"""What docker-compose.yml says is what the commands understand. No engine needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from grace_rtc.cli import app

TOP = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "docker-compose.gpu.yml")


def load(name: str) -> dict[str, Any]:
    """A compose file with its variables at their defaults."""
    text = (TOP / name).read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    return loaded


def merged() -> dict[str, dict[str, Any]]:
    """Services as the GPU override leaves them."""
    services = load(FILES[0])["services"]
    return {name: service | load(FILES[1])["services"].get(name, {}) for name, service in services.items()}


def option(service: str, name: str) -> str:
    command: list[str] = load(FILES[0])["services"][service]["command"]
    return command[command.index(name) + 1]


def understood(arguments: list[str]) -> None:
    """Raises click's UsageError for a command or an option that does not exist, or a value it cannot take."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command, arguments = command.commands[arguments[0]], arguments[1:]
    command.make_context("grace-rtc", list(arguments))


@pytest.mark.parametrize("services", [load(FILES[0])["services"], merged()], ids=["cpu", "gpu"])
def test_every_command_is_one_that_grace_rtc_has(services: dict[str, dict[str, Any]]) -> None:
    assert {"sender", "netsim", "receiver", "lab"} == services.keys()
    for service in services.values():
        understood(service["command"])


def test_option_that_does_not_exist_would_be_found() -> None:
    for wrong in (["netsim", "--owd", "3"], ["send", "--nonsense"]):
        with pytest.raises(Exception, match="No such option"):
            understood(wrong)
    with pytest.raises(KeyError):
        understood(["fly"])


def test_settings_of_netsim_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[object] = []
    monkeypatch.setattr("grace_netsim.relay.process.run_netsim", lambda config, *_, **__: taken.append(config))
    result = CliRunner().invoke(app, load(FILES[0])["services"]["netsim"]["command"])
    assert (result.exit_code, len(taken)) == (0, 1), result.output


def test_each_talks_to_the_next_at_the_port_it_listens_on_and_is_asked_there_for_its_health() -> None:
    services = load(FILES[0])["services"]
    assert option("netsim", "--forward") == f"http://receiver:{option('receiver', '--listen').rpartition(':')[2]}"
    assert option("sender", "--to") == f"http://netsim:{option('netsim', '--listen').rpartition(':')[2]}"
    for name in ("receiver", "netsim"):
        host, _, port = option(name, "--listen").rpartition(":")
        assert host == "0.0.0.0"
        assert f"http://127.0.0.1:{port}/health" in services[name]["healthcheck"]["test"][-1]
    assert services["netsim"]["depends_on"] == {"receiver": {"condition": "service_healthy"}}
    assert services["sender"]["depends_on"] == {"netsim": {"condition": "service_healthy"}}


def test_all_share_the_token_and_write_to_the_volume() -> None:
    for service in load(FILES[0])["services"].values():
        assert service["environment"].keys() == {"GRACE_TOKEN"}
        assert service["volumes"] == ["./runs:/runs"]
        files = [value for value in service["command"] if value.startswith("/")]
        assert all(value.startswith("/runs/") for value in files)
    assert "${GRACE_TOKEN:-}" in (TOP / FILES[0]).read_text()


def test_override_changes_the_two_ends_alone() -> None:
    override = load(FILES[1])
    assert override["services"].keys() == {"sender", "receiver"}
    dockerfile = (TOP / "Dockerfile").read_text()
    arguments = re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE)
    for service in override["services"].values():
        assert service["build"]["args"].keys() <= set(arguments)
        assert service["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
        assert service["image"] != load(FILES[0])["services"]["lab"]["image"]


def test_image_copies_what_there_is() -> None:
    for line in re.findall(r"^COPY (.*)", (TOP / "Dockerfile").read_text(), re.MULTILINE):
        *sources, _ = line.split()
        assert all((TOP / source).exists() for source in sources)
