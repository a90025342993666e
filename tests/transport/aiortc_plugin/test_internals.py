"""The private names of aiortc stand in one module, and every one of them exists in the installed version."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import grace_transport.aiortc_plugin

PLUGIN = Path(grace_transport.aiortc_plugin.__file__).parent
OTHERS = sorted(path for path in PLUGIN.glob("*.py") if path.name != "internals.py")
OWN_OBJECTS = {"self", "_plugin", "plugin"}


def private_names(source: str) -> Iterator[str]:
    """Names with one leading underscore that are looked up on other objects, by attribute or by string."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in OWN_OBJECTS:
                continue
            case ast.Attribute(attr=name) | ast.Constant(value=str(name)):
                if re.fullmatch(r"_[A-Za-z]\w*", name):
                    yield name


@pytest.mark.parametrize("module", OTHERS, ids=lambda path: path.stem)
def test_no_other_module_of_the_plug_in_uses_a_private_name(module: Path) -> None:
    assert list(private_names(module.read_text())) == []


def test_private_names_are_found_however_they_are_written() -> None:
    source = 'transport._send_rtp; getattr(sender, "_ssrc"); self.sender._enabled; self._own; x.__class__'
    assert sorted(private_names(source)) == ["_enabled", "_send_rtp", "_ssrc"]


def test_replaced_methods_exist_in_the_installed_aiortc() -> None:
    aiortc = pytest.importorskip("aiortc", reason="the rtc extra is not installed")
    from grace_transport.aiortc_plugin import internals

    for owner, names in {
        aiortc.RTCRtpSender: [internals.SENDER_RUN],
        aiortc.RTCRtpReceiver: [internals.RECEIVER_DISCONNECT, internals.RECEIVER_RTCP],
        aiortc.RTCDtlsTransport: [internals.TRANSPORT_RTP, internals.TRANSPORT_RTCP],
    }.items():
        assert [name for name in names if not callable(getattr(owner, name, None))] == []
