"""Laws of `grace-rtc netsim` before it runs: options, environment and file mean the same, and mistakes are one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from grace_netsim.link.link import LinkConfig
from grace_netsim.link.stages import GilbertElliott, IidLoss, Outage
from grace_netsim.relay.address import local_address_to, local_end, media_address
from grace_netsim.relay.config import RelayConfig, parse_outage
from grace_netsim.trace.files import load_opportunities, load_rates
from grace_rtc.cli import app
from grace_transport.runtime.settings import load_settings


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[RelayConfig]:
    """What would run, instead of running it."""
    runs: list[RelayConfig] = []
    monkeypatch.setattr("grace_netsim.relay.process.run_netsim", lambda config, *_, **__: runs.append(config))
    monkeypatch.delenv("GRACE_TOKEN", raising=False)
    return runs


def invoke(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["netsim", *arguments], env=env)
    return result.exit_code, " ".join(result.output.split())


def test_options_environment_and_file_mean_the_same(ran: list[RelayConfig], tmp_path: Path) -> None:
    file = tmp_path / "netsim.toml"
    file.write_text('owd_ms = 30\ntrace-up = "lte-1"\nloss = 0.2\noutage = ["5:10"]\nstart-on-call = false\n')
    options = ["--owd-ms", "30", "--trace-up", "lte-1", "--loss", "0.2", "--outage", "5:10", "--no-start-on-call"]
    names = ("OWD_MS", "TRACE_UP", "LOSS", "OUTAGE", "START_ON_CALL")
    values = ("30", "lte-1", "0.2", '["5:10"]', "0")
    environment = dict(zip((f"GRACE_NETSIM_{name}" for name in names), values, strict=True))
    assert invoke(*options)[0] == invoke("--config", str(file))[0] == invoke(env=environment)[0] == 0
    first, *others = ran
    assert (first.owd_ms, first.trace_up, first.loss, first.outage) == (30, "lte-1", 0.2, ((5, 10),))
    assert not first.start_on_call
    assert others == [first, first]


def test_token_is_not_shown(ran: list[RelayConfig]) -> None:
    assert invoke("--token", "a-shared-secret")[0] == 0
    assert ran[0].token == "a-shared-secret"
    assert "a-shared-secret" not in repr(ran[0])


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--outage", "soon"], "AT:SECONDS"),
        (["--owd-ms", "6000"], "--owd-ms: Input should be less than or equal to 5000"),
        (["--token", "short"], "openssl rand"),
        (["--config", "/nonexistent.toml"], "/nonexistent.toml"),
        (["--trace-up", "lte-99"], "no shipped trace"),
        (["--loss", "1", "--burst-packets", "3"], "mean_loss"),
        (["--listen", "8080"], "HOST:PORT"),
        (["--listen", "0.0.0.0:0"], "--no-token"),
        (["--forward", "nowhere"], "http://"),
        (["--json", "/proc/no/log.jsonl"], "give another place"),
    ],
)
def test_mistakes_are_one_line_and_nothing_runs(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], hint: str
) -> None:
    monkeypatch.delenv("GRACE_TOKEN", raising=False)
    status, output = invoke("--listen", "127.0.0.1:0", *arguments)
    assert status == 2
    assert hint in output


def test_link_is_that_of_the_lab() -> None:
    config = RelayConfig(trace_up="lte-1", owd_ms=100, queue_packets=25, loss=0.1, seed=5)
    assert config.uplink() == LinkConfig(
        rates=load_rates("lte-1"), delay_us=100_000, queue_packets=25, stages=(IidLoss(0.1),), seed=5
    )
    assert config.downlink() == LinkConfig(delay_us=100_000, queue="infinite", queue_packets=None, seed=6)
    mahimahi = RelayConfig(trace_down="lte-1", service="mahimahi", feedback_owd_ms=7, feedback_loss=0.2)
    assert mahimahi.downlink().trace == load_opportunities("lte-1")
    assert (mahimahi.downlink().delay_us, mahimahi.downlink().stages) == (7_000, (IidLoss(0.2),))
    bursts = RelayConfig(loss=0.1, burst_packets=3, outage=((5, 10),))
    assert bursts.uplink().stages == (Outage(((5_000_000, 15_000_000),)), GilbertElliott.of_bursts(0.1, 3))
    assert bursts.downlink().stages == (Outage(((5_000_000, 15_000_000),)),)


def test_outage_is_two_numbers() -> None:
    assert parse_outage("5:10") == (5, 10)
    assert parse_outage("0:0.5") == (0, 0.5)
    for bad in ("", "5", "5:", ":5", "5:0", "-1:5", "a:b", "nan:1", "1:nan", "1:inf", "1:2:3"):
        with pytest.raises(ValueError, match="AT:SECONDS"):
            parse_outage(bad)


def test_outage_of_a_file_is_checked_like_that_of_an_option() -> None:
    for bad in ((-1.0, 5.0), (1.0, 0.0), (float("inf"), 1.0), (1.0, float("nan"))):
        with pytest.raises(ValueError, match="an outage begins at 0 s or later"):
            load_settings(RelayConfig, {"outage": [bad]})


def test_media_address_is_where_the_signalling_came_in_unless_that_is_loopback() -> None:
    assert media_address("10.0.0.5", [("10.0.0.9", 1)]) == "10.0.0.5"
    assert media_address("10.0.0.5", []) == "10.0.0.5"
    assert media_address("::ffff:10.0.0.5", []) == "10.0.0.5"
    assert media_address("127.0.0.1", []) == "127.0.0.1"
    assert media_address("127.0.0.1", [("127.0.0.1", 1)]) == "127.0.0.1"
    assert media_address("", []) == "127.0.0.1"
    own = local_address_to("10.0.0.9", 1)
    assert media_address("127.0.0.1", [("10.0.0.9", 1)]) == (own or "127.0.0.1")
    assert media_address("fd00::5", [("10.0.0.9", 1)]) == (own or "fd00::5")


async def test_local_end_of_a_peer_is_by_the_routing_table() -> None:
    assert await local_end("http://127.0.0.1:8080") == "127.0.0.1"
    assert await local_end("http://no-such-host.invalid:1") == ""
