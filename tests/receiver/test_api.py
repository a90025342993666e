"""The public interface of the receiver: its names, their documentation, and what importing it costs."""

import inspect
import subprocess
import sys

import grace_receiver

NAMES = """
    CarryWanted DecodeWanted DecoderReferences DisplayError FrameDecoded FrameLost FrameReady KeyFrameRequested
    LossReason PacketArrived ReceiverConfig ReceiverError ReceiverEvent ReceiverSession RecordError
"""
HEAVY = ("aiohttp", "aiortc", "av", "numba", "openvino", "pydantic", "torch")


def test_exported_names_are_these() -> None:
    """A name that goes or comes is a change of the interface: it belongs into the changelog."""
    assert sorted(grace_receiver.__all__) == sorted(NAMES.split())


def test_every_exported_name_exists_and_is_documented() -> None:
    names = {name: getattr(grace_receiver, name) for name in grace_receiver.__all__}
    assert [name for name, exported in names.items() if not inspect.getdoc(exported)] == []


def test_importing_it_imports_nothing_heavy() -> None:
    code = f"import sys, grace_receiver; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []
