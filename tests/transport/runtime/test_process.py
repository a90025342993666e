from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from grace_transport.runtime.process import StoppedError, StopSignal, monotonic_us, run, signals_as_calls


@pytest.fixture
def spared() -> Iterator[None]:
    """A signal that nobody waits for fails a test and does not end its process."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("spared")
def test_the_same_signal_twice_in_a_moment_is_one() -> None:
    async def main() -> list[str]:
        calls: list[str] = []
        with signals_as_calls(calls.append):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.05)
        return calls

    assert run(main(), "asyncio") == ["SIGTERM"]


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
    async def main() -> tuple[float, float]:
        return asyncio.get_running_loop().time(), monotonic_us() / 1e6

    loop_s, own_s = run(main(), "asyncio")
    assert own_s == pytest.approx(loop_s, abs=1)
