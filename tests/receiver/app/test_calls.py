from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_receiver.app.calls import ATTEMPT_US, RETURN_US, SILENT_US, CallDesk, Decision

S = 1_000_000


def test_first_call_is_taken_and_a_second_one_refused_while_it_lives() -> None:
    desk = CallDesk()
    assert desk.on_offer("anna", 0) is Decision.ACCEPT
    desk.on_alive(2 * S)
    assert desk.on_offer("bert", 3 * S) is Decision.REFUSE
    assert desk.session == "anna"


def test_same_session_always_comes_back() -> None:
    desk = CallDesk()
    desk.on_offer("anna", 0)
    desk.on_alive(S)
    assert desk.on_offer("anna", S + 1) is Decision.REPLACE


def test_dead_call_makes_room() -> None:
    desk = CallDesk()
    desk.on_offer("anna", 0)
    desk.on_alive(S)
    assert desk.on_offer("bert", S + SILENT_US - 1) is Decision.REFUSE
    assert desk.on_offer("bert", S + SILENT_US) is Decision.REPLACE
    assert desk.session == "bert"


def test_call_that_never_connects_makes_room() -> None:
    desk = CallDesk()
    desk.on_offer("anna", 0)
    assert desk.on_offer("bert", ATTEMPT_US - 1) is Decision.REFUSE
    assert desk.on_offer("bert", ATTEMPT_US) is Decision.REPLACE


def test_closed_connection_makes_room_at_once_and_the_call_may_still_return() -> None:
    desk = CallDesk()
    desk.on_offer("anna", 0)
    desk.on_alive(S)
    desk.on_lost(2 * S)
    assert desk.lost
    assert not desk.handle_timer(2 * S + RETURN_US - 1)
    assert desk.on_offer("anna", 2 * S + RETURN_US - 1) is Decision.REPLACE
    assert not desk.lost


def test_lost_call_ends_once() -> None:
    desk = CallDesk()
    desk.on_offer("anna", 0)
    desk.on_alive(S)
    assert not desk.handle_timer(S + SILENT_US)
    assert desk.lost
    assert desk.handle_timer(S + SILENT_US + RETURN_US)
    assert not desk.handle_timer(S + SILENT_US + RETURN_US + 1)
    assert desk.session is None


def test_link_that_comes_back_in_time_revives_the_call() -> None:
    desk = CallDesk()
    desk.on_offer("anna", 0)
    desk.on_alive(S)
    desk.handle_timer(11 * S)
    assert desk.lost
    desk.on_alive(11 * S)
    assert not desk.lost
    assert desk.on_offer("bert", 12 * S) is Decision.REFUSE


def test_only_the_caller_hangs_up() -> None:
    desk = CallDesk()
    desk.on_offer("anna", 0)
    assert not desk.on_hang_up("bert")
    assert desk.on_hang_up("anna")
    assert not desk.on_hang_up("anna")
    assert desk.on_offer("bert", 1) is Decision.ACCEPT


@given(
    st.lists(
        st.tuples(st.sampled_from(["offer a", "offer b", "alive", "lost", "hang up", "timer"]), st.integers(0, 9 * S))
    )
)
def test_whoever_calls_again_gets_through_in_bounded_time(history: list[tuple[str, int]]) -> None:
    desk, now_us = CallDesk(), 0
    for what, gap_us in history:
        now_us += gap_us
        match what.split():
            case ["offer", name]:
                desk.on_offer(name, now_us)
            case ["alive"]:
                desk.on_alive(now_us)
            case ["lost"]:
                desk.on_lost(now_us)
            case ["hang", _]:
                desk.on_hang_up("a")
            case _:
                desk.handle_timer(now_us)
        assert not (desk.lost and desk.session is None)
    assert desk.on_offer("c", now_us + ATTEMPT_US) is not Decision.REFUSE
