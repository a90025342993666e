"""Laws of the worker: jobs run in order on one thread, and none of them can end it."""

import asyncio
import threading

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
