"""Network emulation: a link as a pure machine, the traces that drive it, and a relay that puts it into a live call.

The names here are the public API: the link, its stages and what loads traces. The relay is `relay.process`, with the
extra `rtc`; converting, generating and fetching traces is in the modules of `trace`.
"""

from __future__ import annotations

from grace_netsim.errors import NetsimError, TraceError
from grace_netsim.link.events import (
    LinkArrived,
    LinkDelivered,
    LinkDeparted,
    LinkDropped,
    LinkEvent,
    LinkOpportunity,
    mahimahi_log,
)
from grace_netsim.link.link import EventLevel, Link, LinkConfig, LinkStats
from grace_netsim.link.loss_files import read_loss
from grace_netsim.link.queues import QUEUES
from grace_netsim.link.stages import (
    STAGES,
    Corruption,
    Duplication,
    FixedDelay,
    GilbertElliott,
    IidLoss,
    Jitter,
    LossPattern,
    LossRates,
    Outage,
    Reordering,
    Stage,
    StageConfig,
)
from grace_netsim.trace.files import find_trace, load_opportunities, load_rates
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_netsim.trace.rates import RateSeries

__all__ = [
    "QUEUES",
    "STAGES",
    "Corruption",
    "Duplication",
    "EventLevel",
    "FixedDelay",
    "GilbertElliott",
    "IidLoss",
    "Jitter",
    "Link",
    "LinkArrived",
    "LinkConfig",
    "LinkDelivered",
    "LinkDeparted",
    "LinkDropped",
    "LinkEvent",
    "LinkOpportunity",
    "LinkStats",
    "LossPattern",
    "LossRates",
    "NetsimError",
    "OpportunityTrace",
    "Outage",
    "RateSeries",
    "Reordering",
    "Stage",
    "StageConfig",
    "TraceError",
    "find_trace",
    "load_opportunities",
    "load_rates",
    "mahimahi_log",
    "read_loss",
]
