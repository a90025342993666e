from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_receiver.app.admission import ATTEMPT_US, RETURN_US, SILENT_US, CallAdmission, Decision

S = 1_000_000


def test_first_call_is_taken_and_a_second_one_refused_while_it_lives() -> None:
    admission = CallAdmission()
    assert admission.on_offer("anna", 0) is Decision.ACCEPT
    admission.on_alive(2 * S)
    assert admission.on_offer("bert", 3 * S) is Decision.REFUSE
    assert admission.session == "anna"


def test_same_session_always_comes_back() -> None:
    admission = CallAdmission()
    admission.on_offer("anna", 0)
    admission.on_alive(S)
    assert admission.on_offer("anna", S + 1) is Decision.REPLACE


def test_dead_call_makes_room() -> None:
    admission = CallAdmission()
    admission.on_offer("anna", 0)
    admission.on_alive(S)
    assert admission.on_offer("bert", S + SILENT_US - 1) is Decision.REFUSE
    assert admission.on_offer("bert", S + SILENT_US) is Decision.REPLACE
    assert admission.session == "bert"


def test_call_that_never_connects_makes_room() -> None:
    admission = CallAdmission()
    admission.on_offer("anna", 0)
    assert admission.on_offer("bert", ATTEMPT_US - 1) is Decision.REFUSE
    assert admission.on_offer("bert", ATTEMPT_US) is Decision.REPLACE


def test_closed_connection_makes_room_at_once_and_the_call_may_still_return() -> None:
    admission = CallAdmission()
    admission.on_offer("anna", 0)
    admission.on_alive(S)
    admission.on_lost(2 * S)
    assert admission.lost
    assert not admission.handle_timer(2 * S + RETURN_US - 1)
    assert admission.on_offer("anna", 2 * S + RETURN_US - 1) is Decision.REPLACE
    assert not admission.lost


def test_lost_call_ends_once() -> None:
    admission = CallAdmission()
    admission.on_offer("anna", 0)
    admission.on_alive(S)
    assert not admission.handle_timer(S + SILENT_US)
    assert admission.lost
    assert admission.handle_timer(S + SILENT_US + RETURN_US)
    assert not admission.handle_timer(S + SILENT_US + RETURN_US + 1)
    assert admission.session is None


def test_link_that_comes_back_in_time_revives_the_call() -> None:
    admission = CallAdmission()
    admission.on_offer("anna", 0)
    admission.on_alive(S)
    admission.handle_timer(11 * S)
    assert admission.lost
    admission.on_alive(11 * S)
    assert not admission.lost
    assert admission.on_offer("bert", 12 * S) is Decision.REFUSE


def test_only_the_caller_hangs_up() -> None:
    admission = CallAdmission()
    admission.on_offer("anna", 0)
    assert not admission.on_hang_up("bert")
    assert admission.on_hang_up("anna")
    assert not admission.on_hang_up("anna")
    assert admission.on_offer("bert", 1) is Decision.ACCEPT


@given(
    st.lists(
        st.tuples(st.sampled_from(["offer a", "offer b", "alive", "lost", "hang up", "timer"]), st.integers(0, 9 * S))
    )
)
def test_whoever_calls_again_gets_through_in_bounded_time(history: list[tuple[str, int]]) -> None:
    admission, now_us = CallAdmission(), 0
    for what, gap_us in history:
        now_us += gap_us
        match what.split():
            case ["offer", name]:
                admission.on_offer(name, now_us)
            case ["alive"]:
                admission.on_alive(now_us)
            case ["lost"]:
                admission.on_lost(now_us)
            case ["hang", _]:
                admission.on_hang_up("a")
            case _:
                admission.handle_timer(now_us)
        assert not (admission.lost and admission.session is None)
    assert admission.on_offer("c", now_us + ATTEMPT_US) is not Decision.REFUSE
