"""Laws of a live end: order of what is told, and that nothing which raises ends the call."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from grace_transport.runtime.live_end import CodecReady, LiveEnd, LiveEvent, WorkFailed


@dataclass(frozen=True)
class Came:
    at_us: int
    text: str


class Echo:
    """A machine that sends back what it gets and tells of it; it cannot stand b"bad"."""

    def __init__(self) -> None:
        self.events: deque[Came] = deque()
        self.out: list[bytes] = []

    def receive_datagram(self, data: bytes, now_us: int) -> None:
        if data == b"bad":
            raise RuntimeError("bad")
        self.events.append(Came(now_us, data.decode()))
        self.out.append(data)

    def handle_timer(self, now_us: int) -> None: ...

    def datagrams_to_send(self, now_us: int) -> list[bytes]:
        out, self.out = self.out, []
        return out

    def get_timer(self) -> int | None:
        return None

    def next_event(self) -> Came | None:
        return self.events.popleft() if self.events else None


class Ends:
    """A live end around `Echo`, and all that it told in order."""

    def __init__(self, observer: Callable[[LiveEvent], None] | None = None) -> None:
        self.told: list[object] = []
        self.sent: list[bytes] = []
        self.end = LiveEnd[Came]("sender", 7, Echo(), self.sent.append, self.handled, observer or self.observed)

    def handled(self, event: Came) -> None:
        self.told.append(f"handled {event.text}")

    def observed(self, event: LiveEvent) -> None:
        assert (event.end, event.ssrc) == ("sender", 7)
        self.told.append(event.event.text if isinstance(event.event, Came) else event.event)


async def test_observer_is_told_before_the_driver_and_datagrams_leave() -> None:
    ends = Ends()
    ends.end.receive(b"one")
    assert ends.told == ["one", "handled one"]
    assert ends.sent == [b"one"]
    await ends.end.close()


async def test_exception_in_the_session_is_told_and_the_next_datagram_works() -> None:
    ends = Ends()
    ends.end.receive(b"bad")
    ends.end.receive(b"good")
    assert [type(event) for event in ends.told[:1]] == [WorkFailed]
    assert ends.told[1:] == ["good", "handled good"]
    await ends.end.close()


async def test_observer_that_raises_is_not_the_ends_problem() -> None:
    def observer(event: LiveEvent) -> None:
        raise RuntimeError("no")

    ends = Ends(observer)
    ends.end.receive(b"one")
    assert ends.told == ["handled one"]
    await ends.end.close()


async def test_codec_is_ready_before_its_driver_has_it() -> None:
    ends, loaded = Ends(), asyncio.Event()

    def on_loaded(codec: str) -> None:
        assert isinstance(ends.told[0], CodecReady)
        assert codec == "codec"
        loaded.set()

    ends.end.load(lambda: "codec", on_loaded)
    await loaded.wait()
    await ends.end.close()


@pytest.mark.parametrize("where", ["job", "done", "failed"])
async def test_work_that_raises_anywhere_is_told_and_work_goes_on(where: str) -> None:
    ends, went_on = Ends(), asyncio.Event()

    def job() -> int:
        if where != "done":
            raise RuntimeError("job")
        return 1

    def done(result: int, taken_us: int) -> None:
        raise RuntimeError("done")

    def failed(error: Exception) -> None:
        if where == "failed":
            raise RuntimeError("failed")

    ends.end.work("encode", job, done, failed)
    ends.end.work("encode", lambda: 2, lambda result, taken_us: went_on.set())
    await went_on.wait()
    whats = [event.what for event in ends.told if isinstance(event, WorkFailed)]
    assert whats[:2] == {"job": ["encode"], "done": ["session"], "failed": ["encode", "session"]}[where]
    await ends.end.close()


async def test_too_many_jobs_are_failures_and_not_a_queue_without_end() -> None:
    ends, hold = Ends(), asyncio.Event()
    failures: list[Exception] = []
    loop = asyncio.get_running_loop()

    def blocked() -> None:
        asyncio.run_coroutine_threadsafe(hold.wait(), loop).result()

    for _ in range(100):
        ends.end.work("encode", blocked, lambda result, taken_us: None, failures.append)
    assert str(failures[0]) == "too many jobs wait"
    hold.set()
    await ends.end.close()


async def test_nothing_happens_after_the_end() -> None:
    ends = Ends()
    await ends.end.close()
    ends.end.receive(b"late")
    assert (ends.told, ends.sent) == ([], [])
