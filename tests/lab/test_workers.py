import signal
import time
from functools import partial

import pytest

from grace_lab.workers import started


def test_each_work_has_a_future_in_order() -> None:
    with started([partial(abs, -1), partial(abs, 2)], jobs=1) as futures:
        assert [future.result() for future in futures] == [1, 2]


def test_an_error_stops_those_at_work() -> None:
    with pytest.raises(KeyboardInterrupt), started([partial(time.sleep, 3_600)] * 2, jobs=1):
        raise KeyboardInterrupt  # ends at once, not in an hour


def test_workers_ignore_ctrl_c_and_the_parent_hears_it_again() -> None:
    before = signal.getsignal(signal.SIGINT)
    with started([partial(signal.getsignal, signal.SIGINT)], jobs=1) as futures:
        assert signal.getsignal(signal.SIGINT) is before
        assert futures[0].result() == signal.SIG_IGN


def test_a_workers_error_is_its_futures() -> None:
    with started([partial(int, "x"), partial(int, "7")], jobs=1) as futures:
        with pytest.raises(ValueError, match="invalid literal"):
            futures[0].result()
        assert futures[1].result() == 7
