"""Laws of installing: nothing before, everything during, the very same objects after."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="the rtc extra is not installed")
pytest.importorskip("openvino", reason="the codec extra is not installed")

import aiortc
from aiortc import (
    RTCDtlsTransport,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    codecs,
    rtcpeerconnection,
    rtcrtpreceiver,
    rtcrtptransceiver,
    sdp,
)

from grace_transport import aiortc_plugin as rtc
from grace_transport.aiortc_plugin import PluginError, installation

from .rtc_calls import run_on

PLACES = (
    aiortc,
    codecs,
    rtcpeerconnection,
    rtcrtpreceiver,
    rtcrtptransceiver,
    sdp,
    sdp.SessionDescription,
    sdp.MediaDescription,
    RTCRtpSender,
    RTCRtpReceiver,
    RTCDtlsTransport,
)
STUB = rtc.RtcOptions(scheme="stub")


@pytest.fixture(autouse=True)
def _leave_nothing() -> Iterator[None]:
    yield
    rtc.uninstall()


def everything() -> dict[tuple[str, str], Any]:
    """Every attribute of every place that is patched, and what the shared tables contain."""
    found: dict[tuple[str, str], Any] = {}
    for place in PLACES:
        name = place.__name__ if isinstance(place, ModuleType) else place.__qualname__
        found |= {
            (name, key): value for key, value in vars(place).items() if not key.startswith("__") or key == "__str__"
        }
    for table in (codecs.CODECS, codecs.HEADER_EXTENSIONS):
        found |= {(kind, str(place)): row for kind, rows in table.items() for place, row in enumerate(rows)}
    return found


def same(before: dict[tuple[str, str], Any]) -> bool:
    """Whether all is as it was: the very same objects."""
    after = everything()
    return after.keys() == before.keys() and all(after[key] is before[key] for key in before)


def offer() -> str:
    texts: list[str] = []

    async def main() -> None:
        connection = RTCPeerConnection()
        connection.addTransceiver("audio")
        connection.addTransceiver("video")
        texts.append((await connection.createOffer()).sdp)
        await connection.close()

    run_on("asyncio", main())
    return texts[0]


def test_uninstall_puts_the_same_objects_back() -> None:
    before = everything()
    rtc.install(STUB)
    assert rtc.installed()
    assert {key for key, value in everything().items() if value is not before[key]} >= {
        ("RTCRtpSender", "_run_rtp"),
        ("RTCDtlsTransport", "_handle_rtp_data"),
    }
    rtc.uninstall()
    assert same(before)
    assert not rtc.installed()


def test_installing_and_uninstalling_twice_is_once() -> None:
    before = everything()
    rtc.install(STUB)
    during = everything()
    rtc.install(STUB)
    rtc.install()  # as it is
    assert same(during)
    rtc.uninstall()
    rtc.uninstall()
    assert same(before)


def test_other_options_replace_the_first() -> None:
    before = everything()
    rtc.install(STUB)
    rtc.install(rtc.RtcOptions())
    assert "profile=1;" in offer()
    rtc.uninstall()
    assert same(before)


def test_offer_has_grace_first_and_all_else_as_before() -> None:
    plain = offer()
    rtc.install(rtc.RtcOptions())
    lines = offer().splitlines()
    video = next(line for line in lines if line.startswith("m=video"))
    assert video.split()[3:] == ["103", "97", "98", "99", "100", "101", "102"]
    entry = [line for line in lines if line.startswith(("a=rtpmap:103", "a=rtcp-fb:103", "a=fmtp:103"))]
    assert entry[:2] == ["a=rtpmap:103 GRACE/90000", "a=rtcp-fb:103 transport-cc"]
    assert entry[2].startswith("a=fmtp:103 version=1;bitstream=3;profile=1;model=")
    assert len(entry[2].rpartition("=")[2]) == 8
    twcc = "a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
    added = {*entry, twcc, video}
    kept = {
        line for line in lines if not line.startswith(("a=ssrc", "a=ice", "o=", "a=msid:", "a=fingerprint"))
    } - added
    assert kept <= set(plain.splitlines())


def test_what_applications_are_told_about_codecs_stays() -> None:
    before = RTCRtpSender.getCapabilities("video"), RTCRtpReceiver.getCapabilities("video")
    rtc.install(STUB)
    assert (RTCRtpSender.getCapabilities("video"), RTCRtpReceiver.getCapabilities("video")) == before
    text = offer()
    parsed = sdp.SessionDescription.parse(text)
    assert [codec.name for codec in parsed.media[1].rtp.codecs] == ["VP8", "rtx", "H264", "rtx", "H264", "rtx"]
    assert str(parsed) == text
    parsed.media[1].rtp.codecs = [codec for codec in parsed.media[1].rtp.codecs if codec.name == "VP8"]
    assert "GRACE" not in str(parsed)


@pytest.mark.parametrize("found", ["1.14.0", "1.17.0", "2.0.0", "1.9.0", "nonsense"])
def test_untested_version_is_refused_with_what_to_do(found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "version", lambda name: found)
    before = everything()
    with pytest.raises(PluginError, match=r"aiortc .* was not tested .*pip install 'aiortc>=1.15,<1.17'"):
        rtc.install(STUB)
    assert same(before)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"scheme": "h265"},
            "'h265' cannot be used in a live call, it needs to know the clip beforehand: use grace-lite",
        ),
        ({"scheme": "vp9"}, "there is no such scheme"),
        ({"scheme": "stub", "controller": "none"}, "no congestion controller is called 'none'"),
        ({"scheme": "stub", "loss_control": "none of these"}, "loss control"),
        ({"start_bps": 10}, "give min <= start <= max"),
        ({"max_fps": 0}, "give 1 to 240"),
        ({"max_size": (64, 20)}, "64 or more"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_touched(options: dict[str, Any], says: str) -> None:
    before = everything()
    with pytest.raises(ValueError, match=says):
        rtc.install(rtc.RtcOptions(**options))
    assert not rtc.installed()
    assert same(before)


def test_capability_needs_the_plugin() -> None:
    with pytest.raises(PluginError, match="install"):
        rtc.capability()


def test_importing_changes_nothing() -> None:
    program = (
        "import aiortc, sys; from aiortc import RTCRtpSender as S; before = S._run_rtp\n"
        "import grace_transport.aiortc_plugin, grace_sender.live.driver, grace_receiver.live.driver\n"
        "sys.exit(S._run_rtp is not before)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=300, check=False).returncode == 0


def test_script_runs_unchanged_with_grace(tmp_path: Any) -> None:
    script = tmp_path / "application.py"
    script.write_text(
        "import sys; from grace_transport import aiortc_plugin as rtc\n"
        "print(rtc.installed(), rtc.capability().parameters['profile'], sys.argv, __name__)\n"
    )
    command = [sys.executable, "-m", "grace_transport.aiortc_plugin", "--scheme", "stub", str(script), "--port", "8080"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == f"True 0 {[str(script), '--port', '8080']} __main__\n", done.stderr
    command[4] = "nothing"
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
