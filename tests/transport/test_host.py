"""Host laws, on the virtual clock and on asyncio's."""

import asyncio
from collections import deque

from grace_lab.clock import VirtualClock
from grace_transport.clock import AsyncioClock
from grace_transport.host import Host


class Echo:
    """Answers each datagram after 10 us, and says so."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[int, bytes]] = deque()
        self.events: deque[int] = deque()

    def receive_datagram(self, data: bytes, now_us: int) -> None:
        self.waiting.append((now_us + 10, data))

    def handle_timer(self, now_us: int) -> None:
        self.events.append(now_us)

    def datagrams_to_send(self, now_us: int) -> list[bytes]:
        due = [data for at_us, data in self.waiting if at_us <= now_us]
        self.waiting = deque(entry for entry in self.waiting if entry[0] > now_us)
        return due

    def get_timer(self) -> int | None:
        return self.waiting[0][0] if self.waiting else None

    def next_event(self) -> int | None:
        return self.events.popleft() if self.events else None


def test_timer_is_armed_after_each_datagram_and_outputs_are_drained() -> None:
    clock, sent, events = VirtualClock(), list[tuple[int, bytes]](), list[int]()
    host = Host(Echo(), clock, lambda data: sent.append((clock.now_us(), data)), events.append)
    host.receive(b"a")
    clock.run_until(4)
    host.receive(b"b")
    clock.run_until(100)
    assert sent == [(10, b"a"), (14, b"b")]
    assert events == [10, 14]


def test_event_handler_may_change_the_machine_again() -> None:
    clock, sent = VirtualClock(), list[bytes]()

    def on_event(event: int) -> None:
        if len(sent) < 3:
            host.mutate(lambda now_us: echo.waiting.append((now_us, b"again")))

    echo = Echo()
    host = Host(echo, clock, sent.append, on_event)
    host.receive(b"first")
    clock.run_until(10)
    assert sent == [b"first", b"again"]


def test_closed_host_does_nothing_any_more() -> None:
    clock, sent = VirtualClock(), list[bytes]()
    host = Host(Echo(), clock, sent.append, lambda _: None)
    host.receive(b"a")
    host.close()
    host.receive(b"b")
    clock.run_until(1000)
    assert sent == []


async def test_the_same_machine_runs_on_asyncio() -> None:
    clock, done = AsyncioClock(), asyncio.get_running_loop().create_future()
    host = Host(Echo(), clock, done.set_result, lambda _: None)
    host.receive(b"a")
    assert await asyncio.wait_for(done, 5) == b"a"
