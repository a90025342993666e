"""The public interface of the transport: its names, their documentation, and what importing it costs."""

import inspect
import subprocess
import sys

import pytest

import grace_transport
from grace_transport import aiortc_plugin

TRANSPORT = """
    AssembledFrame AsyncioClock Clock DatagramRejected EventLog Feedback FrameAssembler FrameGivenUp FrameReport Host
    KeyFrameRequester Machine MediaPacket Nack NackRequester PacketSent Pli ProbeCluster RateTarget ReceiverResync
    RetransmissionBuffer SenderResync StreamReset TimerHandle TransportError WireFormatError
"""
PLUGIN = """
    CodecReady Identity LiveEvent OpenReceiver OpenSender PluginError ReceiverEnd ReceiverStats RtcOptions SenderEnd
    SenderStats Stream WorkFailed capability install installed uninstall
"""
HEAVY = ("aiohttp", "aiortc", "av", "numpy", "pydantic", "torch")


def test_exported_names_are_these() -> None:
    """A name that goes or comes is a change of the interface: it belongs into the changelog."""
    assert sorted(grace_transport.__all__) == sorted(TRANSPORT.split())
    assert sorted(aiortc_plugin.__all__) == sorted(PLUGIN.split())


@pytest.mark.parametrize("module", [grace_transport, aiortc_plugin], ids=lambda module: module.__name__)
def test_every_exported_name_exists_and_is_documented(module: object) -> None:
    names = {name: getattr(module, name) for name in getattr(module, "__all__")}  # noqa: B009
    assert [name for name, exported in names.items() if not inspect.getdoc(exported)] == []


@pytest.mark.parametrize("module", ["grace_transport", "grace_transport.aiortc_plugin"])
def test_importing_it_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []
