"""The public interface of netsim: its names, their documentation, and what importing it costs."""

import inspect
import subprocess
import sys

import grace_netsim

NAMES = """
    Corruption Duplication EventLevel FixedDelay GilbertElliott IidLoss Jitter Link LinkArrived LinkConfig
    LinkDelivered LinkDeparted LinkDropped LinkEvent LinkOpportunity LinkStats LossPattern LossRates NetsimError
    OpportunityTrace Outage QUEUES RateSeries Reordering STAGES Stage StageConfig TraceError find_trace
    load_opportunities load_rates mahimahi_log read_loss
"""
HEAVY = ("aiohttp", "aiortc", "av", "grace_codec", "numba", "plotly", "pydantic", "torch")


def test_exported_names_are_these() -> None:
    assert sorted(grace_netsim.__all__) == sorted(NAMES.split())


def test_every_exported_name_exists_and_is_documented() -> None:
    names = {name: getattr(grace_netsim, name) for name in grace_netsim.__all__}
    undocumented = {name for name, exported in names.items() if not inspect.getdoc(exported)}
    assert undocumented == {"LinkEvent", "QUEUES", "STAGES"}  # a union and two tables have no docstring of their own


def test_importing_it_imports_nothing_heavy() -> None:
    code = f"import sys, grace_netsim; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []
