"""A congestion controller in one file, and the lab that runs a call with it beside GCC.

The command finds it too, with this folder on PYTHONPATH: `grace-rtc lab run --cc own_controller:LossAimd ...`

Needs grace-rtc[codec,lab]; run it by `python examples/own_controller.py`.
"""

from dataclasses import replace

from grace_lab import CallRequest, run_call
from grace_transport import Feedback, RateTarget
from grace_transport.congestion.fixed import Fixed


class LossAimd(Fixed):
    """Additive increase while everything arrives, multiplicative decrease on loss, at most once per round trip.

    `Fixed` keeps the round-trip time and answers everything that has no part in this decision."""

    def __init__(self, *, start_bps: int, min_bps: int, max_bps: int) -> None:
        super().__init__(start_bps=start_bps, min_bps=min_bps, max_bps=max_bps)
        self.name, self._rate_bps, self._limits, self._decreased_us = "loss-aimd", start_bps, (min_bps, max_bps), 0

    def on_feedback(self, feedback: Feedback, now_us: int) -> None:
        super().on_feedback(feedback, now_us)
        lost = any(arrived_us is None for _, arrived_us in feedback.arrivals)
        if not lost:
            self._set(self._rate_bps + 20_000)
        elif now_us - self._decreased_us > self.rtt_us():
            self._decreased_us = now_us
            self._set(self._rate_bps // 2)

    def _set(self, rate_bps: int) -> None:
        self._rate_bps = min(max(rate_bps, self._limits[0]), self._limits[1])

    def target(self) -> RateTarget:
        """Media bitrate, and the higher rate at which the pacer may let a frame's packets go."""
        return RateTarget(self._rate_bps, int(2.5 * self._rate_bps))

    def frame_bytes(self, fps: float, now_us: int) -> int:
        return int(self._rate_bps / 8 / fps)


if __name__ == "__main__":
    call = CallRequest(scheme="stub", video="builtin:talk", trace="lte-1", size=(64, 64), seconds=10)
    for controller in (f"{__name__}:LossAimd", "gcc"):
        row = run_call(replace(call, cc=controller))
        print(f"{controller:20} {row['bitrate_bps']} bit/s, P98 delay {row['p98_delay_ms']} ms")
