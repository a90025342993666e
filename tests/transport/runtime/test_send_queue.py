"""Laws of the send queue: bounded, in order, and it ends with its connection."""

import asyncio

from grace_transport.runtime.send_queue import MAX_PACKETS, SendQueue


async def test_send_queue_keeps_the_order_and_counts_what_left() -> None:
    sent, counted = list[bytes](), list[bytes]()

    async def send(data: bytes) -> None:
        await asyncio.sleep(0)
        sent.append(data)

    send_queue = SendQueue(send, counted.append)
    packets = [bytes((number,)) for number in range(20)]
    for packet in packets:
        send_queue.put(packet)
    while len(counted) < len(packets):
        await asyncio.sleep(0)
    assert sent == counted == packets
    await send_queue.close()
    send_queue.put(b"late")
    assert (send_queue.dropped, send_queue.broken) == (1, True)


async def test_send_queue_survives_an_odd_error_and_ends_with_the_connection() -> None:
    errors = [ValueError("odd"), None, ConnectionError("gone")]
    tried = list[bytes]()

    async def send(data: bytes) -> None:
        tried.append(data)
        if (error := errors[len(tried) - 1]) is not None:
            raise error

    send_queue = SendQueue(send)
    for number in range(5):
        send_queue.put(bytes((number,)))
    while not send_queue.broken:
        await asyncio.sleep(0)
    assert tried == [b"\x00", b"\x01", b"\x02"]
    await send_queue.close()


async def test_send_queue_is_bounded() -> None:
    async def send(data: bytes) -> None:
        await asyncio.Event().wait()

    send_queue = SendQueue(send)
    for _ in range(MAX_PACKETS + 10):
        send_queue.put(b"x")
    assert send_queue.dropped >= 9
    await send_queue.close()
