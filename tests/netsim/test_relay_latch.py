"""Laws of the latch: who gets in, and where answers and media go. STUN messages are made by aioice."""

from __future__ import annotations

from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from grace_netsim.relay.datagram import Kind, Label, MediaIds, kind_of, label_of
from grace_netsim.relay.latch import MAX_LEARNED, MAX_TRANSACTIONS, Address, Latch
from grace_netsim.relay.stun import is_authentic, read_stun
from grace_transport.wire.rtp import RtpPacket, build_rtp

PASSWORDS = {"recv": "0123456789012345678901"}
NAMED: Address = ("10.0.0.7", 5000)
SECOND: Address = ("10.0.0.7", 5001)
STRANGER: Address = ("10.6.6.6", 6666)
MEDIA = build_rtp(RtpPacket(96, 1, 1, 1, b"media"))


def request(
    number: int = 0, password: str = PASSWORDS["recv"], username: str = "recv:send", use: bool = False
) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, number.to_bytes(12, "big"))
    message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = 1
    if use:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(password.encode())
    message.add_fingerprint()
    return bytes(message)


def response(number: int = 0) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, number.to_bytes(12, "big"))
    message.attributes["XOR-MAPPED-ADDRESS"] = ("10.1.1.1", 1)
    return bytes(message)


def test_addresses_of_the_description_may_send_and_no_others() -> None:
    latch = Latch([NAMED], PASSWORDS)
    for data in (MEDIA, response(), b"", b"\x16dtls", bytes(20)):
        assert latch.admit(data, NAMED)
        assert not latch.admit(data, STRANGER)
    assert latch.target(MEDIA) == NAMED


def test_unknown_address_gets_in_by_a_signed_request_of_the_call() -> None:
    latch = Latch([NAMED], PASSWORDS)
    for wrong in (
        request(password="1" * 22),
        request(username="other:send"),
        request(username=""),
        request()[:-1],
        response(),
    ):
        assert not latch.admit(wrong, STRANGER)
    assert latch.admit(request(), STRANGER)
    assert latch.admit(MEDIA, STRANGER)
    assert latch.target(MEDIA) == STRANGER
    assert not latch.admit(MEDIA, ("10.6.6.6", 6667))


def test_without_a_password_nobody_unknown_gets_in() -> None:
    latch = Latch([NAMED])
    assert not latch.admit(request(), STRANGER)
    latch.expect(passwords=PASSWORDS)
    assert latch.admit(request(), STRANGER)


def test_before_anything_is_heard_the_best_candidate_is_tried() -> None:
    latch = Latch()
    assert latch.target(MEDIA) is None
    latch.expect([NAMED, SECOND])
    assert latch.target(MEDIA) == NAMED
    assert latch.admit(request(), SECOND)
    assert latch.target(MEDIA) == SECOND


def test_answer_goes_to_whoever_asked() -> None:
    latch = Latch([NAMED, SECOND], PASSWORDS)
    latch.admit(request(1), NAMED)
    latch.admit(request(2), SECOND)
    assert latch.target(response(1)) == NAMED
    assert latch.target(response(2)) == SECOND
    assert latch.target(response(3)) == NAMED  # nobody asked: the path in use
    assert latch.target(request(2)) == NAMED  # a request of the other end is no answer


def test_media_moves_the_path_and_checks_do_not() -> None:
    latch = Latch([NAMED, SECOND], PASSWORDS)
    latch.admit(MEDIA, NAMED)
    latch.admit(request(1), SECOND)
    latch.admit(response(1), SECOND)
    assert latch.address == NAMED
    latch.admit(request(2, use=True), SECOND)
    assert latch.address == SECOND
    latch.admit(MEDIA, NAMED)
    assert latch.address == NAMED


def test_memory_is_bounded() -> None:
    latch = Latch([NAMED], PASSWORDS)
    for number in range(1_000):
        assert latch.admit(request(number), ("10.6.6.6", number + 1))
    assert len(latch._learned) == MAX_LEARNED
    assert len(latch._askers) == MAX_TRANSACTIONS
    assert not latch.admit(MEDIA, ("10.6.6.6", 1))  # forgotten
    assert latch.admit(MEDIA, ("10.6.6.6", 1_000))


@given(st.binary(max_size=200) | st.binary(max_size=40).map(lambda tail: request()[:8] + tail))
def test_no_bytes_raise_or_let_a_stranger_in(data: bytes) -> None:
    latch = Latch([NAMED], PASSWORDS)
    assert not latch.admit(data, STRANGER)
    assert latch.admit(data, NAMED)
    assert latch.target(data) == NAMED
    label_of(data, MediaIds(5, frozenset({98})))


@given(st.integers(0, 8 * len(request()) - 1))
def test_any_flipped_bit_of_what_is_signed_keeps_a_stranger_out(bit: int) -> None:
    flipped = bytearray(request())
    flipped[bit // 8] ^= 1 << bit % 8
    message = read_stun(bytes(flipped))
    in_fingerprint = bit // 8 >= len(flipped) - 8  # checked by whom it is for; a password it is not
    assert in_fingerprint or message is None or not is_authentic(message, PASSWORDS)


def test_kinds_are_told_by_the_first_bytes() -> None:
    kinds = {
        request(): Kind.STUN,
        b"\x16\xfe\xfd handshake": Kind.DTLS,
        b"\x17\xfe\xfd data": Kind.APPLICATION,
        MEDIA: Kind.RTP,
        b"\x80\xc8\x00\x00": Kind.RTCP,
        b"\x81\xcf\x00\x00": Kind.RTCP,
        b"\x40turn": Kind.UNKNOWN,
        b"": Kind.UNKNOWN,
        b"\x00": Kind.UNKNOWN,
        b"\x00\x01": Kind.UNKNOWN,
    }
    assert {data: kind_of(data) for data in kinds} == kinds
    assert [kind for kind in Kind if kind.is_media] == [Kind.APPLICATION, Kind.RTP, Kind.RTCP]


def test_labels_read_what_srtp_leaves_in_the_clear() -> None:
    ids = MediaIds(5, frozenset({98}))
    media = build_rtp(RtpPacket(97, 1, 9_000, 1, b"encrypted", transport_seq=77), 5) + b"\xff" * 10
    retransmission = build_rtp(RtpPacket(98, 1, 9_000, 1, b"encrypted", transport_seq=78), 5) + b"\xff" * 10
    padding = build_rtp(RtpPacket(97, 1, 9_000, 1, b"", transport_seq=79, padding_bytes=200), 5) + b"\xff" * 10
    assert label_of(media, ids) == Label("media", 77, 9_000)
    assert label_of(retransmission, ids) == Label("retransmission", 78, 9_000)
    assert label_of(padding, ids) == Label("padding", 79, 9_000)
    assert label_of(media, MediaIds()) == Label("media", None, 9_000)
    assert label_of(b"\x90\x60", ids) == Label("media")
    assert label_of(b"\x80\xc8\x00\x00", ids) == Label("feedback")
    assert label_of(request(), ids) == Label("other")
