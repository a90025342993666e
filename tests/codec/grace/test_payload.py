"""Laws of the payload's bytes: they come back, and nothing else passes for them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_codec.grace.payload import (
    Context,
    Patch,
    PredictedPayload,
    RejectedError,
    join_key,
    read_key,
    read_predicted,
    write_key,
    write_predicted,
)

HERE = Context(profile=3, model=0xDEADBEEF, width=640, height=360, index=1, total=4)
PAYLOADS = st.builds(
    PredictedPayload,
    st.integers(0, 255),
    st.booleans(),
    st.binary(max_size=60),
    st.none() | st.builds(Patch, st.integers(0, 255), st.binary(max_size=40)),
)


@given(PAYLOADS)
def test_a_payload_comes_back_as_written(payload: PredictedPayload) -> None:
    assert read_predicted(write_predicted(payload, HERE), HERE) == payload


def test_golden_bytes() -> None:
    data = write_predicted(PredictedPayload(40, True, b"\x01\x02\x03", Patch(5, b"\xaa")), HERE)
    assert data.hex() == "3328" + data[2:4].hex() + "050001aa010203"
    assert data[2:4].hex() == "de94"


@given(PAYLOADS, st.data())
def test_every_flipped_bit_is_noticed(payload: PredictedPayload, data: st.DataObject) -> None:
    coded = bytearray(write_predicted(payload, HERE))
    bit = data.draw(st.integers(0, 8 * len(coded) - 1))
    coded[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RejectedError):
        read_predicted(bytes(coded), HERE)


@given(st.binary(max_size=80))
def test_noise_is_rejected_or_read_but_never_raises_otherwise(noise: bytes) -> None:
    for read in (read_predicted, read_key):
        with suppress(RejectedError):
            read(noise, HERE)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"profile": 2}, "profile 3, not 2"),
        ({"model": 1}, "another model"),
        ({"width": 1280}, "frame size"),
        ({"index": 2}, "place in the frame"),
        ({"total": 5}, "place in the frame"),
        ({"index": 4}, "packet 4 of 4"),
        ({"total": 0, "index": 0}, "packet 0 of 0"),
        ({"total": 300}, "of 300"),
    ],
)
def test_a_payload_of_another_context_is_rejected_with_the_reason(change: dict[str, int], reason: str) -> None:
    data = write_predicted(PredictedPayload(1, False, b"abc"), HERE)
    with pytest.raises(RejectedError, match=reason):
        read_predicted(data, replace(HERE, **change))


def test_a_patch_of_its_own_is_the_last_payload_and_nothing_else_is() -> None:
    alone = PredictedPayload(9, True, b"", Patch(2, b"intra"), patch_last=True)
    last = replace(HERE, index=3)
    assert read_predicted(write_predicted(alone, last), last) == alone
    other = PredictedPayload(9, True, b"stream", patch_last=True)
    assert read_predicted(write_predicted(other, HERE), HERE) == other
    for payload, context in ((alone, HERE), (other, last), (replace(alone, patch=None), last)):
        with pytest.raises(RejectedError, match="not the last"):
            read_predicted(write_predicted(payload, context), context)


@pytest.mark.parametrize("length", range(8))
def test_truncated_payloads_are_rejected(length: int) -> None:
    data = write_predicted(PredictedPayload(1, False, b"abcd"), HERE)
    with pytest.raises(RejectedError):
        read_predicted(data[:length], HERE)


@given(st.binary(min_size=1, max_size=5000), st.integers(64, 1200))
def test_a_key_frame_comes_back_from_its_chunks(data: bytes, room: int) -> None:
    chunks = write_key(1, (640, 360), data, HERE, room)
    assert max(map(len, chunks)) <= room
    read = [read_key(c, replace(HERE, width=0, height=0, index=j, total=len(chunks))) for j, c in enumerate(chunks)]
    assert read[0].size == (640, 360)
    assert join_key(read) == data


def test_a_key_frame_with_a_chunk_missing_does_not_join() -> None:
    chunks = write_key(1, (640, 360), b"x" * 100, HERE, 60)
    context = replace(HERE, width=0, height=0, index=0, total=len(chunks))
    with pytest.raises(RejectedError, match="arrived as"):
        join_key([read_key(chunks[0], context)])


@pytest.mark.parametrize("size", [(63, 64), (62, 64), (64, 1922), (0, 0)])
def test_absurd_frame_sizes_are_rejected(size: tuple[int, int]) -> None:
    context = replace(HERE, width=0, height=0, index=0, total=1)
    (chunk,) = write_key(1, size, b"x", HERE, 1150)
    with pytest.raises(RejectedError, match="frame of"):
        read_key(chunk, context)


def test_a_key_frame_that_needs_too_many_payloads_is_a_callers_error() -> None:
    with pytest.raises(ValueError, match="payloads"):
        write_key(1, (64, 64), b"x" * 10_000, HERE, 50)
