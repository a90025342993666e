"""The settings of `grace-rtc netsim`. Names and defaults are those of the lab."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from grace_netsim.link.link import LinkConfig
from grace_netsim.link.loss_files import read_loss
from grace_netsim.link.stages import GilbertElliott, IidLoss, Jitter, Outage, StageConfig
from grace_netsim.trace.files import load_opportunities, load_rates
from grace_netsim.trace.rates import RateSeries
from grace_transport.runtime.settings import ProcessSettings
from grace_transport.signalling.address import base_url, parse_host_port

Span = tuple[float, float]


def parse_outage(value: object) -> object:
    """`AT:SECONDS`, as in 5:10 (down from second 5 for 10 seconds); what is no text is left to pydantic. ValueError."""
    if not isinstance(value, str):
        return value
    at, _, seconds = value.partition(":")
    try:
        return _checked_span((float(at), float(seconds)))
    except ValueError as error:
        hint = "write AT:SECONDS, as in 5:10 for ten seconds from second 5 on"
        raise ValueError(f"{value!r} is no outage; {hint}") from error


def _checked_span(span: Span) -> Span:
    if not 0 <= span[0] < 1e6 or not 0 < span[1] < 1e6:
        raise ValueError(f"an outage begins at 0 s or later and lasts some time, not {span[0]:g} for {span[1]:g}")
    return span


def _checked_listen(text: str) -> str:
    parse_host_port(text)
    return text


Share = Annotated[float, Field(ge=0, le=1)]
DelayMs = Annotated[float, Field(ge=0, le=5_000)]


class RelayConfig(ProcessSettings):
    """One relay: two directions, up (sender to receiver) and down. A direction without trace has no bottleneck."""

    model_config = SettingsConfigDict(env_prefix="GRACE_NETSIM_")

    listen: Annotated[str, AfterValidator(_checked_listen)] = "127.0.0.1:8080"
    forward: Annotated[str, AfterValidator(base_url)] = "http://127.0.0.1:8081"
    token: str | None = Field(default=None, repr=False)
    no_token: bool = False
    trace_up: str | None = None  # a file or a shipped name
    trace_down: str | None = None
    service: Literal["token-bucket", "mahimahi"] = "token-bucket"
    owd_ms: DelayMs = 100
    feedback_owd_ms: DelayMs | None = None  # of the way down; None: as up
    queue_packets: Annotated[int, Field(ge=1, le=100_000)] = 25
    loss: Share = 0  # on the way up
    burst_packets: Annotated[float, Field(ge=1, le=1_000)] = 1  # mean length of a burst of `loss`; 1: independent
    loss_file: Path | None = None  # recorded loss on the way up
    feedback_loss: Share = 0
    jitter_ms: Annotated[float, Field(ge=0, le=1_000)] = 0  # standard deviation on the way up; nothing overtakes
    outage: tuple[
        Annotated[Span, BeforeValidator(parse_outage), AfterValidator(_checked_span)], ...
    ] = ()  # (at_s, seconds), both ways
    seed: Annotated[int, Field(ge=0, le=2**32)] = 1
    start_on_call: bool = True  # traces begin with the first media packet; else with the process
    max_calls: Annotated[int, Field(ge=1, le=1_000)] = 16
    idle_s: Annotated[float, Field(ge=1, le=86_400)] = 60  # a call without a datagram for so long is over
    json_log: Path | None = None
    event_loop: Literal["auto", "asyncio", "uvloop"] = "asyncio"

    def uplink(self) -> LinkConfig:
        """Raises TraceError, or ValueError for figures that do not go together."""
        stages: list[StageConfig] = list(self._outages())
        if self.loss and self.burst_packets > 1:
            stages.append(GilbertElliott.of_bursts(self.loss, self.burst_packets))
        elif self.loss:
            stages.append(IidLoss(self.loss))
        if self.loss_file is not None:
            stages.append(read_loss(self.loss_file))
        if self.jitter_ms:
            stages.append(Jitter(0, _us(self.jitter_ms)))
        return self._link(self.trace_up, self.owd_ms, tuple(stages), self.seed)

    def downlink(self) -> LinkConfig:
        """As the lab's feedback path: its own loss and generator, no bottleneck unless it has a trace."""
        stages: list[StageConfig] = list(self._outages())
        if self.feedback_loss:
            stages.append(IidLoss(self.feedback_loss))
        owd_ms = self.owd_ms if self.feedback_owd_ms is None else self.feedback_owd_ms
        return self._link(self.trace_down, owd_ms, tuple(stages), self.seed + 1)

    def capacity(self) -> RateSeries | None:
        """The capacity of the way up, for the log; None: unlimited."""
        return None if self.trace_up is None else load_rates(self.trace_up)

    def _outages(self) -> tuple[Outage, ...]:
        spans = tuple((round(at_s * 1e6), round((at_s + seconds) * 1e6)) for at_s, seconds in self.outage)
        return (Outage(spans),) if spans else ()

    def _link(self, trace: str | None, owd_ms: float, stages: tuple[StageConfig, ...], seed: int) -> LinkConfig:
        token_bucket = self.service == "token-bucket"
        return LinkConfig(
            rates=load_rates(trace) if trace is not None and token_bucket else None,
            trace=load_opportunities(trace) if trace is not None and not token_bucket else None,
            delay_us=_us(owd_ms),
            queue="infinite" if trace is None else "droptail",
            queue_packets=None if trace is None else self.queue_packets,
            stages=stages,
            seed=seed,
        )


def _us(milliseconds: float) -> int:
    return round(milliseconds * 1_000)
