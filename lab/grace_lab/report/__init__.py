"""One self-contained HTML page about a run of the lab: tables, distributions, and a timeline of every call."""

from __future__ import annotations

from grace_lab.report.page import write_report
from grace_lab.report.provenance import Provenance, write_provenance

__all__ = ["Provenance", "write_provenance", "write_report"]
