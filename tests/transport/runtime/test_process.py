"""Laws of a process's end by signal, of its clock, and of sampling totals for a status line."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from grace_transport.runtime.process import (
    SAME_SIGNAL_US,
    SECOND_SIGNAL_STATUS,
    Sampler,
    StoppedError,
    StopSignal,
    monotonic_us,
    run,
    signals_as_calls,
)


@pytest.fixture
def spared() -> Iterator[None]:
    """A signal that nobody waits for fails a test and does not end its process."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("spared")
@pytest.mark.parametrize(
    ("second_us", "statuses"), [(SAME_SIGNAL_US, []), (SAME_SIGNAL_US + 1, [SECOND_SIGNAL_STATUS])]
)
def test_second_signal_ends_the_process_unless_it_is_the_first_one_again(second_us: int, statuses: list[int]) -> None:
    async def main() -> None:
        times = iter([0, second_us])
        handled = asyncio.Semaphore(0)

        def tell_time() -> int:
            handled.release()
            return next(times)

        with signals_as_calls(names.append, now_us=tell_time, end_process=ended.append):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
                await handled.acquire()

    names, ended = list[str](), list[int]()
    run(main(), "asyncio")
    assert names == ["SIGTERM"]
    assert ended == statuses


@pytest.mark.usefixtures("spared")
@pytest.mark.parametrize("loop", ["auto", "asyncio", "uvloop"])
def test_signal_ends_what_is_waited_for(loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")

    async def main() -> str:
        stop = StopSignal()
        told: list[str] = []
        with signals_as_calls(stop):
            os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(StoppedError, match="SIGTERM"):
                await stop.unless_stopped(asyncio.sleep(60))
            stop.tell(told.append)
        assert told == ["SIGTERM"]
        return stop.name

    assert run(main(), loop) == "SIGTERM"


def test_result_and_error_of_undisturbed_work_come_through() -> None:
    async def fails() -> None:
        raise KeyError("x")

    async def main() -> None:
        stop = StopSignal()
        assert await stop.unless_stopped(asyncio.sleep(0, "result")) == "result"
        with pytest.raises(KeyError):
            await stop.unless_stopped(fails())

    run(main(), "asyncio")


def test_time_is_that_of_the_loops() -> None:
    async def main() -> tuple[float, float, float]:
        loop = asyncio.get_running_loop()
        return loop.time(), monotonic_us() / 1e6, loop.time()

    before_s, own_s, after_s = run(main(), "asyncio")
    assert before_s - 1e-6 <= own_s <= after_s  # whole microseconds are rounded down


def test_sample_is_what_was_one_interval_ago_and_the_seconds_since() -> None:
    sampler: Sampler[int] = Sampler(1.0)
    assert sampler.sample(10, 5_000_000) is None  # the first one has nothing before it
    assert sampler.sample(15, 5_900_000) is None
    assert sampler.sample(20, 6_500_000) == (10, 1.5)
    assert sampler.sample(40, 7_500_000) == (20, 1.0)


def test_restarted_sampler_has_nothing_before() -> None:
    sampler: Sampler[int] = Sampler(1.0)
    sampler.sample(10, 5_000_000)
    sampler.restart()
    assert sampler.sample(0, 7_000_000) is None
    assert sampler.sample(3, 8_000_000) == (0, 1.0)


def test_interval_of_nothing_is_never() -> None:
    sampler: Sampler[int] = Sampler(0)
    assert [sampler.sample(n, n * 10_000_000) for n in range(4)] == [None] * 4
