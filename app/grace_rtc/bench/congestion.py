"""Congestion controllers side by side: calls with the `stub` scheme, so that only the network is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from grace_lab.matrix import CallRequest, Row, call_matrix, check_requests, run_call
from grace_lab.workers import started
from grace_netsim.trace.files import SHIPPED
from grace_transport.congestion import CONTROLLERS

VIDEO, SIZE = "builtin:talk", (320, 180)  # not looked at: the stub codec makes up its payloads
COLUMNS: Mapping[str, str] = {
    "utilisation_ratio": "used",
    "packet_loss_ratio": "packets\nlost",
    "stall_ratio": "stall",
    "stall_beyond_outages_ratio": "beyond\noutages",
    "p98_delay_ms": "P98 ms",
    "step_up_ms": "ms to 80 %\nafter a step",
}


def compare(
    traces: Sequence[str] | None, controllers: Sequence[str] | None, seconds: float, seed: int, jobs: int
) -> dict[str, dict[str, float | None]]:
    """Controller -> metric -> mean over the traces. None: all shipped traces, all controllers but `fixed`."""
    like = CallRequest(scheme="", video="", trace="", seconds=seconds, seed=seed, size=SIZE)
    names = list(controllers or [name for name in CONTROLLERS if name != "fixed"])
    requests = call_matrix(["stub"], [VIDEO], list(traces or SHIPPED), like, names)
    check_requests(requests)
    with started([partial(run_call, request) for request in requests], jobs) as calls:
        rows = [call.result() for call in calls]
    return {name: _means([row for row in rows if row["cc"] == name]) for name in names}


def _means(rows: Sequence[Row]) -> dict[str, float | None]:
    return {column: _mean([row[column] for row in rows]) for column in COLUMNS}


def _mean(values: Sequence[int | float | str | None]) -> float | None:
    known = [value for value in values if isinstance(value, int | float)]
    return sum(known) / len(known) if known else None
