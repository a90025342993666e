"""Laws of the scheme without pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_codec.api import PacketCodec
from grace_codec.baselines.stub import StubCodec
from grace_codec.types import Budget, CodedFrame, Frame, ReceivedFrame

GREY = np.full((64, 64), 128, np.uint8)
FRAME = Frame(7, 280_000, GREY, GREY[::2, ::2], GREY[::2, ::2])


def received(coded: CodedFrame, *indexes: int) -> ReceivedFrame:
    total = len(coded.payloads)
    return ReceivedFrame(coded.frame_id, coded.key, total, {index: coded.payloads[index] for index in indexes})


def test_stub_is_a_packet_codec() -> None:
    assert isinstance(StubCodec(), PacketCodec)


@given(st.integers(1, 200_000), st.integers(1, 1400))
def test_payloads_fill_the_budget_exactly(frame_bytes: int, max_payload_bytes: int) -> None:
    if frame_bytes // max_payload_bytes > 2000:
        return
    payloads = StubCodec().encode(FRAME, None, Budget(frame_bytes, max_payload_bytes)).payloads
    sizes = [len(payload) for payload in payloads]
    assert sum(sizes) == frame_bytes
    assert max(sizes) <= max_payload_bytes
    assert max(sizes) - min(sizes) <= 1


def test_any_one_payload_shows_a_picture_without_pixels() -> None:
    codec = StubCodec()
    coded = codec.encode(FRAME, None, Budget(5000))
    decoded = codec.decode(received(coded, 3), None)
    assert decoded.frame is not None
    assert decoded.frame.frame_id == 7
    assert decoded.frame.y.size == 0
    assert decoded.used == {3}


def test_no_payload_shows_nothing_and_keeps_the_reference() -> None:
    codec = StubCodec()
    key = codec.encode(FRAME, None, Budget(5000))
    nothing = codec.decode(ReceivedFrame(8, False, 5, {}), key.reference)
    assert nothing.frame is None
    assert nothing.reference == key.reference


def test_all_payloads_reach_the_encoders_reference_and_fewer_another() -> None:
    codec = StubCodec()
    key = codec.encode(FRAME, None, Budget(5000))
    everything = received(key, *range(len(key.payloads)))
    assert codec.decode(everything, None).reference == key.reference
    assert codec.decode(received(key, 0), None).reference != key.reference


def test_replay_reaches_what_decoding_reached() -> None:
    codec = StubCodec()
    key = codec.encode(FRAME, None, Budget(5000))
    coded = codec.encode(FRAME, key.reference, Budget(5000))
    partial = received(coded, 1, 2)
    assert codec.replay(partial, key.reference) == codec.decode(partial, key.reference).reference


def test_frame_without_reference_waits_for_a_key() -> None:
    codec = StubCodec()
    key = codec.encode(FRAME, None, Budget(3000))
    coded = codec.encode(FRAME, key.reference, Budget(3000))
    assert codec.decode(received(coded, 0, 1), None).frame is None


@pytest.mark.parametrize("data", [b"", b"\x00", b"hello" * 300])
def test_foreign_bytes_are_rejected(data: bytes) -> None:
    decoded = StubCodec().decode(ReceivedFrame(7, True, 3, {0: data, 9: data}), None)
    assert decoded.frame is None
    assert decoded.rejected == {0: "not a stub payload", 9: "not a stub payload"}
