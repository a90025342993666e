"""Finds the live ends: those that the application names, else the entry points of the group `grace_rtc.live`.

Transport must not import sender, receiver or codec; this is the seam."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, cast

from grace_transport.aiortc_plugin.contract import FindIdentity, OpenReceiver, OpenSender
from grace_transport.aiortc_plugin.options import RtcOptions
from grace_transport.errors import TransportError

GROUP = "grace_rtc.live"


class PluginError(TransportError):
    """The plug-in cannot be installed here; the text says why, and what to do."""


def find_sender(options: RtcOptions) -> OpenSender:
    return options.open_sender or cast(OpenSender, _load("sender"))


def find_receiver(options: RtcOptions) -> OpenReceiver:
    return options.open_receiver or cast(OpenReceiver, _load("receiver"))


def find_identity(options: RtcOptions) -> FindIdentity:
    return options.identity or cast(FindIdentity, _load("identity"))


def _load(name: str) -> Any:
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        raise PluginError(
            f"nothing is registered as {name!r} in the entry-point group {GROUP!r}: "
            "install grace-rtc again (pip install -e . in a checkout), or name it in RtcOptions"
        )
    try:
        return found[0].load()
    except ImportError as error:
        raise PluginError(f"{found[0].value} cannot be loaded ({error}): pip install 'grace-rtc[codec,rtc]'") from error
