"""What `grace-rtc netsim` is told, checked once: words and defaults are the lab's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from grace_netsim.link import LinkConfig
from grace_netsim.rates import RateSeries
from grace_netsim.stages import GilbertElliott, IidLoss, Jitter, Outage, StageConfig
from grace_netsim.trace import load_opportunities, load_rates
from grace_netsim.trace_loss import read_loss

Share = Annotated[float, Field(ge=0, le=1)]
DelayMs = Annotated[float, Field(ge=0, le=5_000)]
Service = Literal["token-bucket", "mahimahi"]


class RelayConfig(BaseModel):
    """One relay: two directions, up (sender to receiver) and down. A direction without trace has no bottleneck."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: str = "127.0.0.1:8080"
    forward: str = "http://127.0.0.1:8081"
    token: SecretStr | None = None
    no_token: bool = False
    trace_up: str | None = None  # a file or a shipped name
    trace_down: str | None = None
    service: Service = "token-bucket"
    owd_ms: DelayMs = 100
    feedback_owd_ms: DelayMs | None = None  # of the way down; None: as up
    queue_packets: Annotated[int, Field(ge=1, le=100_000)] = 25
    loss: Share = 0  # on the way up
    burst_packets: Annotated[float, Field(ge=1, le=1_000)] = 1  # mean length of a burst of `loss`; 1: independent
    loss_file: Path | None = None  # recorded loss on the way up
    feedback_loss: Share = 0
    jitter_ms: Annotated[float, Field(ge=0, le=1_000)] = 0  # standard deviation on the way up; nothing overtakes
    outages: tuple[tuple[float, float], ...] = ()  # (at_s, seconds), both ways
    seed: Annotated[int, Field(ge=0, le=2**32)] = 1
    start_on_call: bool = True  # traces begin with the first media packet; else with the process
    max_calls: Annotated[int, Field(ge=1, le=1_000)] = 16
    idle_s: Annotated[float, Field(ge=1, le=86_400)] = 60  # a call without a datagram for so long is over

    @classmethod
    def checked(cls, **values: object) -> RelayConfig:
        """The configuration, or ValueError with one line."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            option = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
            raise ValueError(f"{option}: {first['msg']}") from error

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
        """What the timeline draws of the way up; None: unlimited."""
        return None if self.trace_up is None else load_rates(self.trace_up)

    def _outages(self) -> tuple[Outage, ...]:
        spans = tuple((round(at_s * 1e6), round((at_s + seconds) * 1e6)) for at_s, seconds in self.outages)
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


def parse_outage(text: str) -> tuple[float, float]:
    """`AT:SECONDS`, as in 5:10 (down from second 5 for 10 seconds). ValueError for anything else."""
    at, colon, seconds = text.partition(":")
    try:
        span = float(at), float(seconds)
    except ValueError:
        span = -1.0, -1.0
    if not colon or not 0 <= span[0] < 1e6 or not 0 < span[1] < 1e6:
        raise ValueError(f"{text!r} is no outage; write AT:SECONDS, as in 5:10 for ten seconds from second 5 on")
    return span


def _us(milliseconds: float) -> int:
    return round(milliseconds * 1_000)
