"""Laws of the rewritten description: one candidate, the relay's, and nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_netsim.relay.datagram import MediaIds
from grace_netsim.relay.sdp import MAX_CANDIDATES, SdpError, read_description, rewrite

RELAY = ("10.9.9.9", 4000)
OFFER = """v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0 1
m=video 58272 UDP/TLS/RTP/SAVPF 97 98
c=IN IP4 10.0.0.7
a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=mid:0
a=rtcp:58273 IN IP4 10.0.0.7
a=rtcp-mux
a=rtpmap:97 VP8/90000
a=rtpmap:98 rtx/90000
a=candidate:1 1 udp 2130706431 10.0.0.7 58272 typ host
a=candidate:2 1 UDP 1694498815 203.0.113.5 40000 typ srflx raddr 10.0.0.7 rport 58272
a=candidate:3 1 udp 2130706430 fd00::07 58274 typ host
a=candidate:4 1 tcp 2130706431 10.0.0.7 9 typ host tcptype active
a=candidate:5 2 udp 2130706431 10.0.0.7 58273 typ host
a=candidate:6 1 udp 2130706431 4e8b4c1b-9c0e-4f8e.local 58272 typ host
a=end-of-candidates
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
m=application 37450 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 10.0.0.7
a=mid:1
a=candidate:1 1 udp 2130706431 10.0.0.7 37450 typ host
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
""".replace("\n", "\r\n")

REWRITTEN = """v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0 1
m=video 4000 UDP/TLS/RTP/SAVPF 97 98
c=IN IP4 10.9.9.9
a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=mid:0
a=rtcp:9 IN IP4 0.0.0.0
a=rtcp-mux
a=rtpmap:97 VP8/90000
a=rtpmap:98 rtx/90000
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=candidate:1 1 udp 2130706431 10.9.9.9 4000 typ host
a=end-of-candidates
m=application 4000 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 10.9.9.9
a=mid:1
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=candidate:1 1 udp 2130706431 10.9.9.9 4000 typ host
a=end-of-candidates
""".replace("\n", "\r\n")


def test_relay_is_the_only_candidate_and_the_rest_is_as_it_was() -> None:
    assert rewrite(OFFER, RELAY) == REWRITTEN


def test_description_tells_who_may_send_by_priority() -> None:
    described = read_description(OFFER)
    assert described.candidates == (
        ("10.0.0.7", 58272),
        ("10.0.0.7", 37450),
        ("fd00::7", 58274),
        ("203.0.113.5", 40000),
    )
    assert described.passwords == {"abcd": "0123456789012345678901"}
    assert described.media_ids == MediaIds(5, frozenset({98}))


def test_ipv6_relay_is_written_as_such() -> None:
    out = rewrite(OFFER, ("fd00::9", 4000))
    assert "c=IN IP6 fd00::9\r\n" in out
    assert " fd00::9 4000 typ host\r\n" in out


def test_rejected_medium_stays_rejected() -> None:
    out = rewrite(OFFER.replace("m=application 37450", "m=application 0"), RELAY)
    assert "m=application 0 " in out
    assert out.count("a=candidate:") == 1


def test_bundle_only_medium_keeps_its_port() -> None:
    bundle_only = OFFER.replace("m=application 37450", "m=application 0").replace("a=mid:1", "a=mid:1\r\na=bundle-only")
    assert "m=application 0 " in rewrite(bundle_only, RELAY)
    assert rewrite(bundle_only, RELAY).count("a=candidate:") == 2


@pytest.mark.parametrize(
    ("sdp", "reason"),
    [
        ("", "no medium"),
        ("v=0\r\n", "no medium"),
        ("v=0\r\nm=\r\n", "no medium"),
        (OFFER.replace("a=ice-pwd", "a=x-pwd"), "no a=ice-ufrag"),
        (OFFER.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0"), "not bundled"),
        (OFFER.replace("a=group:BUNDLE 0 1\r\n", ""), "not bundled"),
        (OFFER.replace("a=mid:1\r\n", ""), "not bundled"),
    ],
)
def test_what_cannot_be_relayed_is_refused(sdp: str, reason: str) -> None:
    with pytest.raises(SdpError, match=reason):
        rewrite(sdp, RELAY)


def test_candidates_are_bounded() -> None:
    many = "".join(f"a=candidate:1 1 udp 1 10.0.{i // 250}.{i % 250 + 1} 5000 typ host\r\n" for i in range(1_000))
    assert len(read_description(OFFER + many).candidates) == MAX_CANDIDATES


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\n"])
def test_nothing_hides_behind_another_end_of_line(end: str) -> None:
    hidden = OFFER.replace("a=mid:0", f"a=mid:0{end}a=candidate:9 1 udp 1 10.0.0.8 1 typ host")
    assert "10.0.0.8" not in rewrite(hidden, RELAY)


MESSY = st.lists(
    st.sampled_from(OFFER.split("\r\n"))
    | st.text(max_size=40)
    | st.builds("a=candidate:{} {} {} {} {} {} typ {}".format, *[st.text(max_size=8) | st.integers().map(str)] * 7)
    | st.builds("m={} {} {} {}".format, *[st.text(max_size=5) | st.integers().map(str)] * 4)
    | st.builds("a=extmap:{} {}".format, st.text(max_size=5), st.text(max_size=5)),
    max_size=30,
).map("\r\n".join)


@given(MESSY | st.text(), st.sampled_from([RELAY, ("fd00::9", 1)]))
def test_any_text_is_rewritten_or_refused(sdp: str, relay: tuple[str, int]) -> None:
    check_law(sdp, relay)


@given(MESSY)
def test_any_lines_in_an_offer_are_rewritten_or_refused(lines: str) -> None:
    check_law(OFFER + lines, RELAY)
    check_law(OFFER.replace("a=mid:0", lines + "\r\na=mid:0"), RELAY)


def check_law(sdp: str, relay: tuple[str, int]) -> None:
    try:
        out = rewrite(sdp, relay)
    except SdpError:
        return
    lines = out.splitlines()
    own = f"a=candidate:1 1 udp 2130706431 {relay[0]} {relay[1]} typ host"
    assert own in lines
    assert {line for line in lines if line.startswith("a=candidate:")} == {own}
    ports = {line.split()[1] for line in lines if line.startswith("m=") and len(line.split()) > 3}
    assert str(relay[1]) in ports or "a=bundle-only" in lines
    assert read_description(out).candidates == (relay,)
    assert rewrite(out, relay) == out
    assert read_description(out).passwords == read_description(sdp).passwords
