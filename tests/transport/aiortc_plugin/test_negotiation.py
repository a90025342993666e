"""Laws of GRACE's entries in the SDP: their form, which of them fit, and hiding them from applications."""

from __future__ import annotations

import pytest

pytest.importorskip("aiortc", reason="the rtc extra is not installed")

from aiortc.codecs import CODECS, HEADER_EXTENSIONS
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpHeaderExtensionParameters, RTCRtpSendParameters
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from grace_transport.aiortc_plugin.contract import Identity
from grace_transport.aiortc_plugin.negotiation import (
    VisibleCodecs,
    all_codecs,
    codec_entry,
    extension_entry,
    fits,
    fmtp,
    hide,
    sole_entry,
    usable_parameters,
)

OURS = Identity(bitstream=1, profile=2, model=0xBEEF)
VP8 = CODECS["video"][0]


def entry(identity: Identity = OURS, **more: str) -> RTCRtpCodecParameters:
    made = codec_entry(identity, [*CODECS["audio"], *CODECS["video"]])
    made.parameters.update(more)
    return made


def test_entry_takes_the_first_free_payload_type() -> None:
    assert entry().payloadType == 103
    assert codec_entry(OURS, []).payloadType == 97


def test_parameters_are_text_of_fixed_form() -> None:
    assert fmtp(OURS) == {"version": "1", "bitstream": "1", "profile": "2", "model": "0000beef"}


def test_extension_takes_the_first_id_that_no_medium_uses() -> None:
    assert extension_entry(HEADER_EXTENSIONS).id == 4


@pytest.mark.parametrize("other", [Identity(2, 2, 0xBEEF), Identity(1, 3, 0xBEEF), Identity(1, 2, 0xBEE)])
def test_only_the_very_same_identity_fits(other: Identity) -> None:
    assert fits(entry(), entry())
    assert not fits(entry(), entry(other))


def test_parameters_of_the_future_are_ignored_and_missing_ones_are_not() -> None:
    assert fits(entry(), entry(extra="1"))
    without = entry()
    del without.parameters["model"]
    assert not fits(entry(), without)


def test_one_entry_is_agreed_on_and_no_retransmission_for_it() -> None:
    twice, rtx = entry(), RTCRtpCodecParameters("video/rtx", 90000, payloadType=104, parameters={"apt": 103})
    vp8_rtx = CODECS["video"][1]
    first = entry()
    assert sole_entry([first, rtx, twice, VP8, vp8_rtx]) == [first, VP8, vp8_rtx]
    assert sole_entry([VP8, vp8_rtx]) == [VP8, vp8_rtx]


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.text(), st.integers())))
def test_any_parameters_of_a_peer_are_only_compared(parameters: dict[str, str | int | None]) -> None:
    theirs = RTCRtpCodecParameters("video/grace", 90000, payloadType=99, parameters=dict(parameters))
    assert fits(entry(), theirs) == (fmtp(OURS).items() <= parameters.items())


@pytest.mark.parametrize(("number", "usable"), [(1, True), (14, True), (15, False), (200, False), (None, False)])
def test_without_usable_sequence_numbers_the_next_codec_is_sent(number: int | None, usable: bool) -> None:
    uri = extension_entry(HEADER_EXTENSIONS).uri
    extensions = [] if number is None else [RTCRtpHeaderExtensionParameters(number, uri)]
    parameters = RTCRtpSendParameters(codecs=[entry(), VP8], headerExtensions=extensions)
    assert usable_parameters(parameters).codecs[0] is (parameters.codecs[0] if usable else VP8)


def described(formats: str) -> str:
    """A video section with these payload types; 103 and 104 are GRACE."""
    names = {"103": "GRACE/90000", "104": "GRACE/90000", "97": "VP8/90000", "99": "H264/90000"}
    lines = [f"m=video 9 UDP/TLS/RTP/SAVPF {formats}", "c=IN IP4 0.0.0.0", "a=sendrecv", "a=mid:0"]
    lines += [f"a=rtpmap:{number} {names[number]}" for number in formats.split()]
    return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n" + "".join(line + "\r\n" for line in lines)


@given(st.permutations(["103", "104", "97", "99"]), st.integers(1, 4))
def test_hiding_and_writing_gives_the_same_text(order: list[str], count: int) -> None:
    from grace_transport.aiortc_plugin.negotiation import shown

    parsed = SessionDescription.parse(described(" ".join(order[:count])))
    text = str(parsed.media[0])
    before = list(parsed.media[0].rtp.codecs)
    media = hide(parsed).media[0]
    assert [codec.name for codec in media.rtp.codecs if codec.name == "GRACE"] == []
    assert all_codecs(media.rtp.codecs) == before
    assert str(shown(media)) == text


def test_what_an_application_takes_out_stays_out() -> None:
    media = hide(SessionDescription.parse(described("103 97 99"))).media[0]
    assert isinstance(media.rtp.codecs, VisibleCodecs)
    media.rtp.codecs.pop(0)
    assert [codec.name for codec in all_codecs(media.rtp.codecs)] == ["GRACE", "H264"]
