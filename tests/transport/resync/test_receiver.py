"""Named situations at the receiver: which reference a frame is decoded against, and what is reported when."""

from __future__ import annotations

import pytest

from grace_transport.assembler import AssembledFrame
from grace_transport.lineage import all_of, lineage
from grace_transport.resync import Action, ReceiverResync, Step, StepKind
from grace_transport.resync.receiver import ACTIONS
from grace_transport.types import FrameReport, Pli

MS = 1_000
TOTAL = 4
ALL = all_of(TOTAL)
PART = 0b1011


def decoded(parent: int, frame_id: int, received: int = ALL) -> int:
    return lineage(parent, frame_id, TOTAL if received else 0, received)


def replayed(parent: int, *frame_ids: int) -> int:
    for frame_id in frame_ids:
        parent = lineage(parent, frame_id, TOTAL, ALL, replayed=True)
    return parent


def replay_steps(parent: int, *frame_ids: int) -> tuple[Step, ...]:
    steps = []
    for frame_id in frame_ids:
        steps.append(Step(StepKind.REPLAY, frame_id, TOTAL, ALL, parent, replayed(parent, frame_id)))
        parent = steps[-1].result
    return tuple(steps)


def frame(frame_id: int, parent: int, received: int = ALL) -> AssembledFrame:
    """A frame of four payloads of which some arrived; parent 0: a key frame."""
    if not received:
        return AssembledFrame(frame_id, False, 0, 0, 0, None, {}, None, None)
    payloads = {index: b"x" for index in range(TOTAL) if received >> index & 1}
    return AssembledFrame(frame_id, parent == 0, TOTAL, parent, 1, 0, payloads, 0, 0)


class Receiver:
    """Handles frames and keeps the names of the states that were reached."""

    def __init__(self) -> None:
        self.machine = ReceiverResync()
        self.steps: tuple[Step, ...] = ()
        self.parent = 0

    def take(self, frame_id: int, parent: int, received: int = ALL, now_us: int = 0) -> tuple[Action, bool, int]:
        """Handle a frame: the action, whether it was in sync, and the state reached (0: none)."""
        plan = self.machine.plan(frame(frame_id, parent, received), now_us)
        self.steps, self.parent = plan.steps, plan.parent
        name = 0
        if plan.action in {Action.DECODE, Action.GUESS}:
            name = self.machine.on_decoded(frame_id, received, now_us)
        elif plan.action is Action.CARRY:
            step = self.machine.on_lost(frame_id, now_us)
            assert step is not None
            assert (step.parent, step.total) == (plan.parent, 0)
            name = step.result
        return plan.action, plan.in_sync, name

    def reports(self, now_us: int = 0) -> list[int]:
        return [item.frame_id for item in self.machine.reports_to_send(now_us) if isinstance(item, FrameReport)]


def started(frames: int = 1) -> tuple[Receiver, list[int]]:
    """A receiver in sync after frames 0 to `frames` - 1, all reports sent; the names of its states."""
    receiver = Receiver()
    names: list[int] = []
    for frame_id in range(frames):
        names.append(receiver.take(frame_id, names[-1] if names else 0)[2])
    receiver.reports(0)
    return receiver, names


# -- references


def test_complete_key_frame_starts() -> None:
    assert Receiver().take(0, 0) == (Action.DECODE, True, decoded(0, 0))


@pytest.mark.parametrize(("parent", "received"), [(77, ALL), (77, PART), (0, PART), (0, 0)])
def test_without_a_state_everything_waits_for_a_key_frame(parent: int, received: int) -> None:
    receiver = Receiver()
    assert receiver.take(5, parent, received) == (Action.WAIT, False, 0)
    assert receiver.machine.reports_to_send(0) == (Pli(5),)
    assert receiver.machine.retained().lineages == frozenset()


def test_frame_whose_reference_is_here_is_decoded_against_it() -> None:
    receiver, names = started(2)
    assert receiver.take(2, names[1]) == (Action.DECODE, True, decoded(names[1], 2))
    assert (receiver.parent, receiver.steps) == (names[1], ())


def test_incomplete_frame_is_decoded_against_its_reference() -> None:
    receiver, names = started(2)
    assert receiver.take(2, names[1], PART) == (Action.DECODE, True, decoded(names[1], 2, PART))


def test_frame_whose_reference_is_unknown_is_decoded_against_the_newest_own_state() -> None:
    receiver, names = started(2)
    at_2 = receiver.take(2, names[1], PART)[2]
    complete_2 = decoded(names[1], 2)
    assert receiver.take(3, complete_2) == (Action.GUESS, False, decoded(at_2, 3))
    assert receiver.parent == at_2


def test_figure_6_of_the_paper() -> None:
    """Frame 6 arrived in part; 7 and 8 were decoded out of sync; frame 9 is coded against the rebuilt state."""
    receiver, names = started(6)
    at_6 = receiver.take(6, names[5], PART)[2]
    coded = decoded(names[5], 6)
    receiver.take(7, coded)
    receiver.take(8, decoded(coded, 7))
    parent = replayed(at_6, 7, 8)
    assert receiver.take(9, parent) == (Action.DECODE, True, decoded(parent, 9))
    assert receiver.steps == replay_steps(at_6, 7, 8)


def test_rebase_without_replays_needs_no_steps() -> None:
    receiver, names = started(2)
    at_2 = receiver.take(2, names[1], PART)[2]
    assert receiver.take(3, at_2) == (Action.DECODE, True, decoded(at_2, 3))
    assert receiver.steps == ()


def test_rebase_that_counts_on_an_incomplete_frame_cannot_be_followed() -> None:
    receiver, names = started(2)
    at_2 = receiver.take(2, names[1], PART)[2]
    at_3 = receiver.take(3, decoded(names[1], 2), PART)[2]
    assert receiver.take(4, replayed(at_2, 3)) == (Action.GUESS, False, decoded(at_3, 4))


def test_frame_of_which_nothing_came_carries_the_state_on() -> None:
    receiver, names = started(2)
    assert receiver.take(2, 0, 0) == (Action.CARRY, False, decoded(names[1], 2, 0))
    assert receiver.parent == names[1]


def test_number_that_was_passed_over_costs_nothing() -> None:
    """Told from a lost frame by the next one's reference, whether the assembler noticed (3) or not (5)."""
    receiver, names = started(2)
    at_3 = receiver.take(3, names[1])
    assert at_3 == (Action.DECODE, True, decoded(names[1], 3))
    receiver.take(4, 0, 0)
    assert receiver.take(5, at_3[2]) == (Action.DECODE, True, decoded(at_3[2], 5))


def test_replays_step_over_numbers_that_were_passed_over() -> None:
    receiver, names = started(2)
    at_2 = receiver.take(2, names[1], PART)[2]
    receiver.take(3, 0, 0)
    receiver.take(4, decoded(names[1], 2))
    assert receiver.take(5, replayed(at_2, 4))[:2] == (Action.DECODE, True)
    assert receiver.steps == replay_steps(at_2, 4)


def test_incomplete_key_frame_carries_the_old_state_on() -> None:
    receiver, names = started(2)
    assert receiver.take(2, 0, PART) == (Action.CARRY, False, decoded(names[1], 2, 0))
    report = receiver.machine.reports_to_send(0)[0]
    assert report == FrameReport(2, decoded(names[1], 2, 0), 0, 0)


def test_complete_key_frame_ends_every_quarrel() -> None:
    receiver, names = started(2)
    receiver.take(2, names[1], PART)
    receiver.take(3, 77)
    assert receiver.take(4, 0) == (Action.DECODE, True, decoded(0, 4))
    assert receiver.machine.retained().lineages == {decoded(0, 4)}


def test_frame_that_the_codec_could_not_use_carries_the_own_state_on() -> None:
    receiver, names = started(2)
    receiver.machine.plan(frame(2, names[1]), 0)
    step = receiver.machine.on_lost(2, 0)
    assert step == Step(StepKind.DECODE, 2, 0, 0, names[1], decoded(names[1], 2, 0))


def test_payloads_that_the_codec_rejected_do_not_count() -> None:
    receiver, names = started(2)
    receiver.machine.plan(frame(2, names[1]), 0)
    assert receiver.machine.on_decoded(2, PART, 0) == decoded(names[1], 2, PART)
    assert receiver.reports() == [2]


def test_key_frame_that_the_codec_could_not_use_is_asked_for_again() -> None:
    receiver = Receiver()
    receiver.machine.plan(frame(0, 0), 0)
    assert receiver.machine.on_lost(0, 0) is None
    assert receiver.machine.reports_to_send(0) == (Pli(0),)


def test_every_kind_of_frame_has_an_action_with_and_without_a_state() -> None:
    assert all(Action.GUESS is not without and Action.CARRY is not without for without, _ in ACTIONS.values())
    assert all(Action.WAIT is not with_state for _, with_state in ACTIONS.values())


# -- misuse and resets


def test_frames_are_concluded_one_by_one() -> None:
    receiver, names = started(1)
    receiver.machine.plan(frame(1, names[0]), 0)
    with pytest.raises(ValueError, match="frame 1 was neither"):
        receiver.machine.plan(frame(2, names[0]), 0)
    receiver.machine.on_decoded(1, ALL, 0)
    with pytest.raises(ValueError, match="frame 1 was not planned"):
        receiver.machine.on_decoded(1, ALL, 0)


@pytest.mark.parametrize("received", [0, 1 << TOTAL])
def test_decoding_from_payloads_that_are_not_there_is_refused(received: int) -> None:
    receiver, names = started(1)
    receiver.machine.plan(frame(1, names[0]), 0)
    with pytest.raises(ValueError, match="frame 1: payloads"):
        receiver.machine.on_decoded(1, received, 0)


def test_after_a_reset_old_states_are_worth_nothing() -> None:
    receiver, names = started(2)
    receiver.take(2, names[1], PART)
    receiver.machine.reset()
    assert receiver.machine.get_timer() is None
    assert not receiver.machine.has_state
    assert receiver.take(3, names[1]) == (Action.WAIT, False, 0)


def test_frame_under_way_when_the_stream_is_reset_is_concluded_to_no_effect() -> None:
    receiver, names = started(2)
    receiver.machine.plan(frame(2, names[1]), 0)
    receiver.machine.reset()
    assert receiver.machine.on_decoded(2, ALL, 0) == decoded(names[1], 2)
    assert not receiver.machine.has_state
    assert receiver.machine.retained().lineages == frozenset()


def test_stream_that_goes_back_is_another_stream() -> None:
    receiver, names = started(3)
    assert receiver.take(1, names[0]) == (Action.WAIT, False, 0)
    assert receiver.take(2, 0)[0] is Action.DECODE


# -- reports


def test_incomplete_frame_is_reported_at_once() -> None:
    receiver, names = started(2)
    at_2 = receiver.take(2, names[1], PART, now_us=40 * MS)[2]
    assert receiver.machine.get_timer() == 40 * MS
    assert receiver.machine.reports_to_send(40 * MS) == (FrameReport(2, at_2, TOTAL, PART),)
    assert receiver.machine.reports_to_send(40 * MS) == ()


def test_complete_frames_are_reported_ten_times_a_second() -> None:
    receiver, names = started(1)
    times = []
    for frame_id in range(1, 31):
        names.append(receiver.take(frame_id, names[-1], now_us=frame_id * 33 * MS)[2])
        timer = receiver.machine.get_timer()
        assert timer is not None
        if timer <= frame_id * 33 * MS:
            times.append(frame_id)
            assert receiver.reports(frame_id * 33 * MS) == [frame_id]
    assert times == [4, 8, 12, 16, 20, 24, 28]


def test_complete_frame_that_was_not_reported_yet_goes_along() -> None:
    receiver, names = started(2)
    names.append(receiver.take(2, names[1], now_us=10 * MS)[2])
    receiver.take(3, names[2], PART, now_us=20 * MS)
    assert receiver.reports(20 * MS) == [3, 2]


def test_reports_are_repeated_with_each_new_one() -> None:
    receiver, names = started(2)
    receiver.take(2, names[1], PART)
    assert receiver.reports() == [2]
    receiver.take(3, 77, PART)
    assert receiver.reports() == [2, 3]


def test_of_frames_decoded_whole_but_out_of_sync_only_the_newest_is_reported() -> None:
    receiver, names = started(2)
    receiver.take(2, names[1], PART)
    for frame_id in (3, 4, 5):
        receiver.take(frame_id, 77)
    assert receiver.reports() == [2, 5]


def test_reports_are_repeated_after_a_round_trip_of_silence() -> None:
    receiver, names = started(2)
    receiver.machine.set_rtt(150 * MS)
    receiver.take(2, names[1], PART)
    receiver.reports(0)
    assert receiver.machine.get_timer() == 150 * MS
    assert receiver.reports(149 * MS) == []
    assert receiver.reports(150 * MS) == [2]
    assert receiver.machine.get_timer() == 300 * MS


def test_at_most_eight_old_reports_go_along_and_all_of_them_after_a_round_trip() -> None:
    receiver, names = started(2)
    receiver.take(2, names[1], PART)
    for frame_id in range(3, 20):
        receiver.take(frame_id, 77, PART, now_us=frame_id)
        receiver.reports(frame_id)
    receiver.take(20, 77, PART, now_us=20)
    assert receiver.reports(20) == list(range(13, 21))
    assert receiver.reports(100 * MS + 20) == list(range(2, 21))


def test_reports_that_never_left_all_go_at_once() -> None:
    receiver, names = started(2)
    receiver.take(2, names[1], PART)
    for frame_id in range(3, 20):
        receiver.take(frame_id, 77, PART)
    assert receiver.reports() == list(range(2, 20))


def test_rebase_onto_a_reported_state_confirms_the_report() -> None:
    receiver, names = started(2)
    at_2 = receiver.take(2, names[1], PART)[2]
    receiver.take(3, decoded(names[1], 2))
    receiver.reports()
    receiver.take(4, replayed(at_2, 3))
    assert receiver.reports(10_000 * MS) == [4]  # complete and in sync: the periodic one
    assert receiver.machine.get_timer() is None


def test_rebase_confirms_by_its_name_even_if_it_cannot_be_followed() -> None:
    receiver, names = started(2)
    at_2 = receiver.take(2, names[1], PART)[2]
    receiver.take(3, decoded(names[1], 2), PART)
    receiver.reports()
    assert receiver.take(4, replayed(at_2, 3), PART)[0] is Action.GUESS
    assert receiver.reports() == [3, 4]


def test_frame_of_which_nothing_came_is_reported_as_such() -> None:
    receiver, names = started(2)
    receiver.take(2, 0, 0)
    assert receiver.machine.reports_to_send(0)[0] == FrameReport(2, decoded(names[1], 2, 0), 0, 0)


def test_key_frame_is_asked_for_until_it_is_there() -> None:
    receiver = Receiver()
    receiver.machine.set_rtt(200 * MS)
    receiver.take(5, 77)
    assert receiver.machine.reports_to_send(0) == (Pli(5),)
    receiver.take(6, 77, now_us=33 * MS)
    assert receiver.machine.get_timer() == 200 * MS
    assert receiver.machine.reports_to_send(200 * MS) == (Pli(6),)
    receiver.take(7, 0, now_us=300 * MS)
    assert receiver.machine.reports_to_send(400 * MS) == (FrameReport(7, decoded(0, 7), TOTAL, ALL),)
    assert receiver.machine.get_timer() is None


# -- memory


def test_in_sync_one_state_is_kept() -> None:
    receiver, names = started(10)
    assert receiver.machine.retained().lineages == {names[9]}
    assert receiver.machine.retained().oldest_frame_id == 10


def test_states_hidden_by_an_incomplete_frame_are_dropped() -> None:
    receiver, names = started(2)
    receiver.take(2, names[1], PART)
    receiver.take(3, 77)
    at_4 = receiver.take(4, 77, PART)[2]
    at_5 = receiver.take(5, 77)[2]
    assert receiver.machine.retained().lineages == {at_4, at_5}
    assert receiver.machine.retained().oldest_frame_id == 5


def test_memory_is_bounded_without_any_answer() -> None:
    receiver, names = started(2)
    receiver.take(2, names[1], PART)
    for frame_id in range(3, 500):
        receiver.take(frame_id, 77, PART if frame_id % 100 == 0 else ALL)
    assert len(receiver.machine.retained().lineages) <= 64
    assert len(receiver.reports(10**9)) <= 64
