from grace_lab.clock import VirtualClock


def test_callbacks_run_in_order_of_time_then_of_making() -> None:
    clock, ran = VirtualClock(), list[str]()
    clock.call_at(20, lambda: ran.append("late"))
    clock.call_at(10, lambda: ran.append("first"))
    clock.call_at(10, lambda: ran.append("second"))
    clock.run_until(20)
    assert ran == ["first", "second", "late"]
    assert clock.now_us() == 20


def test_time_stands_at_each_callbacks_own_time() -> None:
    clock, seen = VirtualClock(5), list[int]()
    clock.call_at(7, lambda: seen.append(clock.now_us()))
    clock.call_at(9, lambda: seen.append(clock.now_us()))
    clock.run_until(100)
    assert seen == [7, 9]
    assert clock.now_us() == 100


def test_cancelled_timer_never_runs() -> None:
    clock, ran = VirtualClock(), list[int]()
    clock.call_at(10, lambda: ran.append(1)).cancel()
    clock.run_until(50)
    assert ran == []


def test_past_times_run_now_and_later_ones_wait() -> None:
    clock, ran = VirtualClock(100), list[int]()
    clock.call_at(3, lambda: ran.append(clock.now_us()))
    clock.call_at(201, lambda: ran.append(clock.now_us()))
    clock.run_until(200)
    assert ran == [100]
