"""The lab: whole calls in virtual time, their logs, metrics and reports.

The names here are the public API; each is imported when it is first used, because the codecs behind them are heavy. A
call from Python:

    from grace_lab import CallRequest, run_call

    row = run_call(CallRequest(scheme="grace-lite", video="builtin:talk", trace="lte-3", seconds=5))
    print(row["ssim_db"], row["p98_delay_ms"], row["stall_ratio"])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from grace_lab.call import CallConfig, Lab
    from grace_lab.cost import ComputeCost
    from grace_lab.errors import LabError, LogError, ReportError
    from grace_lab.log.file import LogWriter, read_log, write_log
    from grace_lab.log.merge import ProcessLogs, merge
    from grace_lab.log.schema import SCHEMA, Event, SessionLog
    from grace_lab.matrix import CallRequest, call_matrix, run_all, run_call, simulate
    from grace_lab.metrics import METRICS, Metric, measure
    from grace_lab.report import write_report

__all__ = [
    "METRICS",
    "SCHEMA",
    "CallConfig",
    "CallRequest",
    "ComputeCost",
    "Event",
    "Lab",
    "LabError",
    "LogError",
    "LogWriter",
    "Metric",
    "ProcessLogs",
    "ReportError",
    "SessionLog",
    "call_matrix",
    "measure",
    "merge",
    "read_log",
    "run_all",
    "run_call",
    "simulate",
    "write_log",
    "write_report",
]

_MODULES: Final = {
    "call": ("CallConfig", "Lab"),
    "cost": ("ComputeCost",),
    "errors": ("LabError", "LogError", "ReportError"),
    "log.file": ("LogWriter", "read_log", "write_log"),
    "log.merge": ("ProcessLogs", "merge"),
    "log.schema": ("SCHEMA", "Event", "SessionLog"),
    "matrix": ("CallRequest", "call_matrix", "run_all", "run_call", "simulate"),
    "metrics": ("METRICS", "Metric", "measure"),
    "report": ("write_report",),
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import the module of a public name when the name is first used (PEP 562)."""
        for module, names in _MODULES.items():
            if name in names:
                value = getattr(importlib.import_module(f"grace_lab.{module}"), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
