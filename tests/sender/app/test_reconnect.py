from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from grace_sender.app.reconnect import Action, DropCall, GiveUp, Phase, PlaceCall, Reconnect, ReconnectConfig

S = 1_000_000


def caller(give_up_us: int | None = None, seed: int = 1) -> Reconnect:
    return Reconnect(ReconnectConfig(give_up_us=give_up_us), random.Random(seed), 0)


def wanted(machine: Reconnect) -> list[Action]:
    actions = []
    while (action := machine.next_action()) is not None:
        actions.append(action)
    return actions


def run_until(machine: Reconnect, end_us: int) -> list[Action]:
    actions: list[Action] = []
    while (timer := machine.get_timer()) is not None and timer <= end_us:
        machine.handle_timer(timer)
        actions += wanted(machine)
    return actions


def test_calls_at_once() -> None:
    machine = caller()
    machine.handle_timer(0)
    assert wanted(machine) == [PlaceCall(0, 1)]
    assert machine.phase is Phase.CALLING


def test_silence_of_the_peer_is_loss_and_a_new_call_follows() -> None:
    machine = caller()
    machine.handle_timer(0)
    machine.on_connected(S)
    machine.on_alive(60 * S)
    assert machine.get_timer() == 65 * S
    actions = run_until(machine, 66 * S)[1:]
    assert [type(action) for action in actions] == [DropCall, PlaceCall]
    assert isinstance(actions[0], DropCall)
    assert actions[0].reason == "nothing from the peer for 5 s"
    assert actions[1].at_us < 65.5 * S


def test_peer_that_speaks_is_not_lost() -> None:
    machine = caller()
    machine.handle_timer(0)
    machine.on_connected(0)
    wanted(machine)
    for second in range(1, 600):
        machine.on_alive(second * S)
        machine.handle_timer(second * S)
    assert wanted(machine) == []
    assert machine.phase is Phase.CONNECTED


def test_attempt_that_leads_nowhere_ends_by_itself() -> None:
    actions = run_until(caller(), 100 * S)
    reasons = [action.reason for action in actions if isinstance(action, DropCall)]
    assert reasons[:6] == [f"not connected after {seconds} s" for seconds in ("4", "6", "9", "13.5", "15", "15")]
    assert [action.attempt for action in actions if isinstance(action, PlaceCall)][:4] == [1, 2, 3, 4]


def test_waits_double_up_to_a_bound_for_ever() -> None:
    machine = caller()
    waits = []
    for _ in range(50):
        timer = machine.get_timer()
        assert timer is not None
        machine.handle_timer(timer)
        machine.on_lost("refused", timer)
        waits += [action.wait_us for action in wanted(machine) if isinstance(action, DropCall)]
    assert waits[0] <= 375_000
    assert all(3_750_000 <= wait <= 6_250_000 for wait in waits[6:])
    assert len(set(waits)) > 40  # spread
    assert machine.phase is Phase.WAITING


def test_good_call_resets_the_waits_and_a_flapping_one_does_not() -> None:
    for lasts_us, short in ((20 * S, True), (S, False)):
        machine = caller()
        now_us = 0
        for _ in range(6):
            now_us = machine.get_timer() or 0
            machine.handle_timer(now_us)
            machine.on_connected(now_us)
            now_us += lasts_us
            machine.on_lost("gone", now_us)
        last = wanted(machine)[-1]
        assert isinstance(last, DropCall)
        assert (last.wait_us < S) is short


def test_refusal_ends_it() -> None:
    machine = caller()
    machine.handle_timer(0)
    machine.on_refused("wrong token", 5)
    assert wanted(machine)[-1] == GiveUp(5, "wrong token")
    assert machine.get_timer() is None


def test_patience_counts_from_the_last_call() -> None:
    machine = caller(give_up_us=30 * S)
    machine.handle_timer(0)
    machine.on_connected(20 * S)
    machine.on_lost("gone", 100 * S)
    actions = run_until(machine, 200 * S)
    assert actions[-1] == GiveUp(130 * S, "no call for 30 s")


@given(st.lists(st.tuples(st.sampled_from(["timer", "connected", "alive", "lost", "refused"]), st.integers(0, 20 * S))))
def test_any_history_alternates_calls_and_drops_and_always_has_a_timer(history: list[tuple[str, int]]) -> None:
    machine, now_us = caller(give_up_us=600 * S), 0
    actions: list[Action] = []
    for what, gap_us in history:
        now_us += gap_us
        match what:
            case "timer":
                machine.handle_timer(now_us)
            case "connected":
                machine.on_connected(now_us)
            case "alive":
                machine.on_alive(now_us)
            case "lost":
                machine.on_lost("x", now_us)
            case _:
                machine.on_refused("x", now_us)
        actions += wanted(machine)
        assert (machine.get_timer() is None) == (machine.phase is Phase.ENDED)
    kinds = [type(action) for action in actions]
    ended = kinds.index(GiveUp) if GiveUp in kinds else len(kinds)
    assert kinds[ended + 1 :] == []
    assert all(kind is (PlaceCall, DropCall)[n % 2] for n, kind in enumerate(kinds[:ended]))
