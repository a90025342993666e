"""Laws of what the live ends stand on: a thread that outlives its jobs, an send_queue, a clock that catches."""

import asyncio
import threading

from grace_lab.clock import VirtualClock
from grace_transport.runtime.safe_clock import RETRY_US, SafeClock
from grace_transport.runtime.send_queue import MAX_PACKETS, SendQueue
from grace_transport.runtime.worker import Worker


async def test_job_that_raises_is_told_and_the_next_one_runs() -> None:
    worker, failed, done = Worker("test"), list[Exception](), asyncio.get_running_loop().create_future()

    def bad() -> None:
        raise RuntimeError("no")

    worker.submit(bad, lambda *_: None, failed.append)
    worker.submit(threading.get_ident, lambda result, taken_us: done.set_result((result, taken_us)), failed.append)
    ident, taken_us = await done
    assert ident != threading.get_ident()
    assert taken_us >= 0
    assert [str(error) for error in failed] == ["no"]
    worker.close()
    assert await worker.closed(10)


async def test_jobs_beyond_the_bound_are_refused() -> None:
    worker, go = Worker("test", max_jobs=2), threading.Event()
    accepted = [worker.submit(go.wait, lambda *_: None, lambda _: None) for _ in range(9)]
    assert 2 <= accepted.count(True) <= 3  # one may be running
    assert accepted[-1] is False
    go.set()
    worker.close()
    assert await worker.closed(10)


async def test_closing_drops_what_waits_and_tells_nothing_any_more() -> None:
    worker, go, told = Worker("test"), threading.Event(), list[object]()
    for _ in range(3):
        worker.submit(go.wait, lambda *result: told.append(result), told.append)
    worker.close()
    assert not worker.submit(go.wait, lambda *_: None, told.append)
    assert not await worker.closed(0.01)  # still busy: the caller is not kept waiting
    go.set()
    assert await worker.closed(10)
    assert told == []


def test_worker_outlives_its_loop_without_harm() -> None:
    go = threading.Event()

    async def main() -> Worker:
        worker = Worker("orphan")
        worker.submit(go.wait, lambda *_: None, lambda _: None)
        return worker

    worker = asyncio.run(main())
    go.set()
    worker._thread.join(10)
    assert not worker._thread.is_alive()


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


def test_callback_that_raises_is_told_and_tried_once_more() -> None:
    clock, told, calls = VirtualClock(), list[Exception](), list[int]()
    safe = SafeClock(clock, told.append)

    def callback() -> None:
        calls.append(clock.now_us())
        raise RuntimeError("bug")

    safe.call_at(100, callback)
    clock.run_until(10 * RETRY_US)
    assert calls == [100, 100 + RETRY_US]
    assert len(told) == 2


def test_what_is_retried_may_be_another_thing() -> None:
    clock, told, drained = VirtualClock(), list[Exception](), list[int]()
    safe = SafeClock(clock, told.append)

    def bad() -> None:
        raise RuntimeError("bug")

    safe.run(bad, retry=lambda: drained.append(clock.now_us()))
    clock.run_until(10 * RETRY_US)
    assert drained == [RETRY_US]
    assert len(told) == 1
