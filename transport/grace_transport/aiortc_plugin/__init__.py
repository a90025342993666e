"""The aiortc plug-in: after `install()` any aiortc application offers GRACE and uses it with a peer that has it.

Nothing happens at import, and aiortc need not be installed for it. How it works and what it replaces: docs/plugin.md.
"""

from __future__ import annotations

from grace_transport.aiortc_plugin.contract import (
    Identity,
    OpenReceiver,
    OpenSender,
    ReceiverEnd,
    RtcOptions,
    SenderEnd,
    Stream,
)
from grace_transport.aiortc_plugin.installation import PluginError, capability, install, installed, uninstall
from grace_transport.aiortc_plugin.stats import ReceiverStats, SenderStats
from grace_transport.runtime.live_end import CodecReady, LiveEvent, WorkFailed

__all__ = [
    "CodecReady",
    "Identity",
    "LiveEvent",
    "OpenReceiver",
    "OpenSender",
    "PluginError",
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
