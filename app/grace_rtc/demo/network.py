"""The network of a demo as a file: a trace, scaled to the picture that is sent over it.

Owns why: the recorded links carried large pictures. What is narrow for 720p carries a sixteenth of its pixels without
noticing; scaled, with its queue, the link is about as narrow for the small picture as it was for the large one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from grace_netsim.trace.files import load_rates
from grace_netsim.trace.rates import STEP_US
from grace_rtc.errors import DemoError

FILE_NAME: Final = "network.rates"


def write_network(trace: str, scale: float, path: Path) -> None:
    """The trace's capacity times `scale`, in steps of 100 ms. Raises TraceError, or DemoError where it cannot be."""
    rates = load_rates(trace)
    steps = [rates.rate_at(start_us) * scale / 1e6 for start_us in range(0, rates.duration_us, STEP_US)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{mbps:.6f}\n" for mbps in steps), encoding="utf-8")
    except OSError as error:
        raise DemoError(f"{path}: cannot be written ({error.strerror or error})") from error
