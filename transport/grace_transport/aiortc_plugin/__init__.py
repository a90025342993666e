"""The aiortc plug-in: after `install()` any aiortc application offers GRACE and uses it with a peer that has it.

The only place that touches aiortc's internals. Nothing happens at import, and aiortc need not be there for it.
How it works, and what it replaces: docs/plugin.md.
"""

from __future__ import annotations

from grace_transport.aiortc_plugin.contract import (
    CodecReady,
    Identity,
    LiveEvent,
    ReceiverEnd,
    SenderEnd,
    Stream,
    WorkFailed,
)
from grace_transport.aiortc_plugin.options import RtcOptions
from grace_transport.aiortc_plugin.plugin import capability, install, installed, uninstall
from grace_transport.aiortc_plugin.stats import ReceiverStats, SenderStats

__all__ = [
    "CodecReady",
    "Identity",
    "LiveEvent",
    "ReceiverEnd",
    "ReceiverStats",
    "RtcOptions",
    "SenderEnd",
    "SenderStats",
    "Stream",
    "WorkFailed",
    "capability",
    "install",
    "installed",
    "uninstall",
]
