"""The target: delay-based rate, loss control and limits put together. Knows no packets.

Dialect: libwebrtc's `send_side_bandwidth_estimation.cc`. `loss_control` is one of
  v1        thresholds at 2 % and 10 % (loss.py)
  v2        maximum likelihood of inherent loss and loss-limited bandwidth (loss_v2.py)
  tolerant  v2 on the losses that met a full queue; the others are forgiven (loss_cause.py)
  off       delay and round trip alone
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from grace_transport.congestion.gcc.aimd import MIN_BPS
from grace_transport.congestion.gcc.loss import LossV1
from grace_transport.congestion.gcc.loss_v2 import LossState, LossV2
from grace_transport.congestion.history import PacketResult
from grace_transport.congestion.rtt import RttBackoff

LOSS_CONTROLS = ("v1", "v2", "tolerant", "off")
START_PHASE_US = 2_000_000  # without loss, probes and the delay-based rate are trusted (kStartPhase)
NO_LIMIT_BPS = 1_000_000_000  # kDefaultMaxBitrate


class TargetRate:
    """Feed reports; read `target_bps`. Raises ValueError for an unknown `loss_control` or limits out of order."""

    def __init__(
        self,
        start_bps: int,
        min_bps: int = MIN_BPS,
        max_bps: int = NO_LIMIT_BPS,
        *,
        loss_control: str = "tolerant",
        backoff: RttBackoff | None = None,
    ) -> None:
        if loss_control not in LOSS_CONTROLS:
            raise ValueError(f"no loss control is called {loss_control!r}: use one of {', '.join(LOSS_CONTROLS)}")
        if not 0 < min_bps <= max_bps:
            raise ValueError(f"limits must be 0 < min_bps <= max_bps, not {min_bps} and {max_bps}")
        self._min_bps, self._max_bps = max(min_bps, MIN_BPS), max(max_bps, MIN_BPS)
        self._loss_control = loss_control
        self._v1 = LossV1()
        self._v2 = LossV2(self._min_bps, self._max_bps) if loss_control in ("v2", "tolerant") else None
        self._backoff = RttBackoff() if backoff is None else backoff
        self._delay_bps: int | None = None
        self._receiver_bps: int | None = None
        self._rtt_us = 0
        self._corrected_rtt_us = 0
        self._first_report_us: int | None = None
        self._current_bps = 0
        self._set(start_bps)

    @property
    def target_bps(self) -> int:
        limit_bps = self._current_bps if self._receiver_bps is None else min(self._current_bps, self._receiver_bps)
        return max(self._min_bps, limit_bps)

    @property
    def fraction_loss_q8(self) -> int:
        """Loss of the last 20 packets or more, in 1/256."""
        return self._v1.fraction_q8

    @property
    def loss_state(self) -> LossState:
        return LossState.DELAY_BASED if self._v2 is None else self._v2.state

    @property
    def rtt_is_absurd(self) -> bool:
        return self._corrected_rtt_us > self._backoff.limit_us

    def on_rtt(self, rtt_us: int, corrected_us: int = 0) -> None:
        """`corrected_us`: the round trip plus what reports are overdue (RoundTrip.corrected_us)."""
        if rtt_us > 0:
            self._rtt_us = rtt_us
        self._corrected_rtt_us = corrected_us

    def on_delay_based(self, rate_bps: int) -> None:
        self._delay_bps = rate_bps
        self._set(self._current_bps)

    def on_receiver_estimate(self, rate_bps: int) -> None:
        """REMB, draft-alvestrand-rmcat-remb. No receiver of ours sends it: the reference's vectors do."""
        self._receiver_bps = rate_bps
        self._set(self._current_bps)

    def on_probe(self, rate_bps: int) -> None:
        """A probe has measured the path."""
        self.set_rate(rate_bps)
        if self._v2 is not None:
            self._v2.on_probe(rate_bps)

    def set_rate(self, rate_bps: int) -> None:
        """The caller knows better than history."""
        self._delay_bps = None
        self._set(rate_bps)
        self._v1.clear_history()

    def on_packets_lost(self, lost: int, expected: int, now_us: int) -> None:
        """Loss counters for v1 and the start phase; updates the target when they make a decision."""
        if self._first_report_us is None:
            self._first_report_us = now_us
        if self._v1.on_report(lost, expected, now_us):
            self.update(now_us)

    def on_results(
        self,
        results: Sequence[PacketResult],
        acked_bps: float | None,
        in_alr: bool,
        now_us: int,
        forgiven: AbstractSet[int] = frozenset(),
    ) -> None:
        """Every result of one report, for v2, and the losses that do not count."""
        if self._v2 is not None:
            self._v2.on_results(results, self._delay_bps, acked_bps, in_alr, forgiven)
        self.update(now_us)

    def update(self, now_us: int) -> None:
        """Time has passed, or something was fed."""
        if self.rtt_is_absurd:
            self._back_off(now_us)
        elif not self._trust_start(now_us):
            self._v1.remember(self._current_bps, now_us)
            self._set(self._propose(now_us))

    def _propose(self, now_us: int) -> int:
        if self._v2 is not None:
            return self._v2.estimate_bps if self._v2.ready else self._current_bps
        if self._loss_control == "off":
            return self._current_bps if self._delay_bps is None else self._delay_bps
        rate_bps = self._v1.propose(self._current_bps, self._rtt_us, now_us)
        return self._current_bps if rate_bps is None else rate_bps

    def _back_off(self, now_us: int) -> None:
        backoff, decreased_us = self._backoff, self._v1.decreased_us
        due = decreased_us is None or now_us - decreased_us >= backoff.interval_us
        if due and self._current_bps > backoff.floor_bps:
            self._v1.decreased_us = now_us
            self._set(max(int(self._current_bps * backoff.fraction), backoff.floor_bps))
        else:
            self._set(self._current_bps)

    def _trust_start(self, now_us: int) -> bool:
        """In the first two seconds without loss take any higher estimate at face value. True if one was taken."""
        in_start = self._first_report_us is None or now_us - self._first_report_us < START_PHASE_US
        if self._v1.fraction_q8 or not in_start:
            return False
        rate_bps = max(self._current_bps, self._receiver_bps or 0, self._delay_bps or 0)
        if rate_bps == self._current_bps:
            return False
        self._v1.clear_history()
        self._v1.remember(self._current_bps, now_us)
        self._set(rate_bps)
        return True

    def _set(self, rate_bps: int) -> None:
        if self._delay_bps is not None:
            rate_bps = min(rate_bps, self._delay_bps)
        self._current_bps = max(min(rate_bps, self._max_bps), self._min_bps)
