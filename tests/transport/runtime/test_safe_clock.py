"""Laws of the safe clock: an exception in a callback is reported, and the callback gets one more try."""

from grace_lab.clock import VirtualClock
from grace_transport.runtime.safe_clock import RETRY_US, SafeClock


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
