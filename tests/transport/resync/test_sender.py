"""Named situations at the sender: what a report leads to. States are spelled out as histories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_transport.lineage import all_of, lineage
from grace_transport.resync import KeyFrameForced, Plan, Rebased, SenderResync, SenderState, Step, StepKind, Verdict
from grace_transport.resync.sender import TRANSITIONS
from grace_transport.types import FrameReport, Pli

MS = 1_000
TOTAL = 4
ALL = all_of(TOTAL)
PART = 0b1011


def decoded(parent: int, frame_id: int, received: int = ALL) -> int:
    """Name of the state after decoding a part of a frame; 0 payloads is another name for the same state."""
    return lineage(parent, frame_id, TOTAL if received else 0, received)


def replayed(parent: int, *frame_ids: int) -> int:
    for frame_id in frame_ids:
        parent = lineage(parent, frame_id, TOTAL, ALL, replayed=True)
    return parent


def report(parent: int, frame_id: int, received: int = ALL) -> FrameReport:
    return FrameReport(frame_id, decoded(parent, frame_id, received), TOTAL if received else 0, received)


def encode(sender: SenderResync, frame_id: int, now_us: int = 0) -> int:
    """Encode as planned; the name of the complete frame."""
    plan = sender.plan_next(now_us)
    return sender.on_encoded(frame_id, plan.parent, TOTAL, plan.key, now_us)


def call(frames: int) -> tuple[SenderResync, list[int]]:
    """A sender that encoded frames 0 to `frames` - 1, the first one a key frame; the complete frames' names."""
    sender = SenderResync()
    return sender, [encode(sender, frame_id) for frame_id in range(frames)]


def step(kind: StepKind, parent: int, frame_id: int, received: int = ALL) -> Step:
    if kind is StepKind.REPLAY:
        return Step(kind, frame_id, TOTAL, ALL, parent, replayed(parent, frame_id))
    return Step(kind, frame_id, TOTAL if received else 0, received, parent, decoded(parent, frame_id, received))


def test_first_frame_is_a_key_frame() -> None:
    assert SenderResync().plan_next(0) == Plan(0)
    assert SenderResync().plan_next(0).key


def test_frames_are_coded_as_if_all_had_arrived() -> None:
    sender, names = call(3)
    assert names == [decoded(0, 0), decoded(names[0], 1), decoded(names[1], 2)]
    assert sender.plan_next(0) == Plan(names[2])


def test_complete_frame_in_sync_lets_the_sender_forget() -> None:
    sender, names = call(6)
    assert sender.retained().lineages >= set(names)
    assert sender.on_report(report(names[3], 4), 0) is Verdict.ACKNOWLEDGED
    encode(sender, 6)
    assert sender.retained().oldest_frame_id == 5
    assert not sender.retained().lineages & set(names[:4])
    assert sender.state is SenderState.OPTIMISTIC


def test_figure_6_of_the_paper() -> None:
    """Frame 6 arrives in part, which is known when frame 9 is to be coded."""
    sender, names = call(9)
    assert sender.on_report(report(names[5], 6, PART), 0) is Verdict.PARTIAL
    assert sender.state is SenderState.REBASE
    plan = sender.plan_next(0)
    at_6 = decoded(names[5], 6, PART)
    assert plan == Plan(
        replayed(at_6, 7, 8),
        (
            step(StepKind.DECODE, names[5], 6, PART),
            step(StepKind.REPLAY, at_6, 7),
            step(StepKind.REPLAY, replayed(at_6, 7), 8),
        ),
    )
    name = encode(sender, 9)
    assert name == decoded(plan.parent, 9)
    assert sender.next_event() == Rebased(6, 9, decoded=1, replayed=2)
    assert sender.plan_next(0) == Plan(name)


def test_loss_of_the_newest_frame_needs_no_replay() -> None:
    sender, names = call(3)
    sender.on_report(report(names[1], 2, PART), 0)
    assert sender.plan_next(0) == Plan(decoded(names[1], 2, PART), (step(StepKind.DECODE, names[1], 2, PART),))


def test_frame_of_which_nothing_arrived_has_a_state_too() -> None:
    """The state after it is the one before under another name; the paper has the frame sent again instead."""
    sender, names = call(4)
    assert sender.on_report(report(names[1], 2, 0), 0) is Verdict.PARTIAL
    at_2 = decoded(names[1], 2, 0)
    assert sender.plan_next(0).steps == (step(StepKind.DECODE, names[1], 2, 0), step(StepKind.REPLAY, at_2, 3))


def test_losses_in_a_row_are_derived_one_from_the_other() -> None:
    sender, names = call(6)
    at_2 = decoded(names[1], 2, PART)
    at_3 = decoded(at_2, 3, PART)
    sender.on_report(report(names[1], 2, PART), 0)
    sender.on_report(report(at_2, 3, PART), 0)
    assert sender.plan_next(0).steps == (
        step(StepKind.DECODE, names[1], 2, PART),
        step(StepKind.DECODE, at_2, 3, PART),
        step(StepKind.REPLAY, at_3, 4),
        step(StepKind.REPLAY, replayed(at_3, 4), 5),
    )


def test_loss_after_complete_frames_that_were_decoded_out_of_sync() -> None:
    """Those in between were complete: nobody has to say so, the names do."""
    sender, names = call(6)
    at_1 = decoded(names[0], 1, PART)
    sender.on_report(report(names[0], 1, PART), 0)
    at_4 = decoded(decoded(decoded(at_1, 2), 3), 4, PART)
    assert sender.on_report(FrameReport(4, at_4, TOTAL, PART), 0) is Verdict.PARTIAL
    assert [one.frame_id for one in sender.plan_next(0).steps] == [1, 2, 3, 4, 5]
    assert sender.plan_next(0).parent == replayed(at_4, 5)


def test_derived_states_are_kept_for_the_next_loss() -> None:
    sender, names = call(4)
    at_2 = decoded(names[1], 2, PART)
    sender.on_report(report(names[1], 2, PART), 0)
    encode(sender, 4)
    sender.on_report(report(at_2, 3, PART), 0)
    assert sender.plan_next(0).steps[0] == step(StepKind.DECODE, at_2, 3, PART)


def test_complete_frames_that_a_rebase_counts_on_change_nothing() -> None:
    sender, names = call(9)
    at_6 = decoded(names[5], 6, PART)
    sender.on_report(report(names[5], 6, PART), 0)
    encode(sender, 9)
    assert sender.on_report(report(at_6, 7), 0) is Verdict.EXPECTED
    assert sender.on_report(report(decoded(at_6, 7), 8), 0) is Verdict.EXPECTED
    assert sender.state is SenderState.OPTIMISTIC


def test_complete_frames_after_a_loss_are_replayed_not_decoded() -> None:
    """The states are the receiver's either way; a replay runs no network."""
    sender, names = call(9)
    at_6 = decoded(names[5], 6, PART)
    sender.on_report(report(names[5], 6, PART), 0)
    assert sender.on_report(report(at_6, 7), 0) is Verdict.EXPECTED
    assert [one.kind for one in sender.plan_next(0).steps] == [StepKind.DECODE, StepKind.REPLAY, StepKind.REPLAY]


def test_loss_that_a_rebase_did_not_know_of_rebases_again() -> None:
    sender, names = call(9)
    at_6 = decoded(names[5], 6, PART)
    sender.on_report(report(names[5], 6, PART), 0)
    encode(sender, 9)
    assert sender.on_report(report(at_6, 8 - 1, PART), 0) is Verdict.PARTIAL
    assert sender.plan_next(0).parent == replayed(decoded(at_6, 7, PART), 8, 9)


def test_rebase_in_sync_again_is_acknowledged() -> None:
    sender, names = call(3)
    sender.on_report(report(names[1], 2, PART), 0)
    parent = sender.plan_next(0).parent
    encode(sender, 3)
    assert sender.on_report(report(parent, 3), 0) is Verdict.ACKNOWLEDGED
    encode(sender, 4)
    assert sender.retained().oldest_frame_id == 4


def test_receiver_that_does_not_follow_a_rebase_is_gone_along_with() -> None:
    """It had all it needed to replay frame 2, and decoded frame 3 against a state of its own all the same."""
    sender, names = call(3)
    sender.on_report(report(names[0], 1, PART), 0)
    at_1 = decoded(names[0], 1, PART)
    encode(sender, 3)
    at_2 = decoded(at_1, 2)
    assert sender.on_report(report(at_2, 3), 0) is Verdict.DIVERGED
    assert sender.plan_next(0) == Plan(
        decoded(at_2, 3), (step(StepKind.DECODE, at_1, 2), step(StepKind.DECODE, at_2, 3))
    )


def test_report_that_needs_an_earlier_one_waits_for_it() -> None:
    sender, names = call(6)
    at_2 = decoded(names[1], 2, PART)
    later = report(at_2, 3, PART)
    assert sender.on_report(later, 0) is Verdict.UNEXPLAINED
    assert sender.plan_next(0) == Plan(names[5])
    assert sender.on_report(report(names[1], 2, PART), 50 * MS) is Verdict.PARTIAL
    assert [one.frame_id for one in sender.plan_next(50 * MS).steps] == [2, 3, 4, 5]
    assert sender.plan_next(600 * MS).key is False


def test_report_that_stays_unexplained_ends_in_a_key_frame() -> None:
    sender, _ = call(6)
    sender.on_report(FrameReport(3, 0x12345678, TOTAL, PART), 10 * MS)
    sender.on_report(FrameReport(3, 0x12345678, TOTAL, PART), 400 * MS)
    assert not sender.plan_next(510 * MS).key
    assert sender.plan_next(511 * MS).key
    assert sender.next_event() == KeyFrameForced(Verdict.MIRROR_LOST, 3)
    encode(sender, 6, 511 * MS)
    assert sender.state is SenderState.OPTIMISTIC
    assert not sender.plan_next(5_000 * MS).key
    assert sender.next_event() is None


def test_patience_grows_with_the_round_trip() -> None:
    sender, _ = call(6)
    sender.set_rtt(400 * MS)
    sender.on_report(FrameReport(3, 0x12345678, TOTAL, PART), 0)
    assert not sender.plan_next(1200 * MS).key
    assert sender.plan_next(1201 * MS).key


def test_newer_acknowledgement_settles_what_was_unexplained() -> None:
    sender, names = call(6)
    sender.on_report(FrameReport(3, 0x12345678, TOTAL, PART), 0)
    sender.on_report(report(names[4], 5), 0)
    assert not sender.plan_next(10_000 * MS).key


@pytest.mark.parametrize(
    "wrong",
    [
        FrameReport(6, 1, TOTAL, PART),  # never sent
        FrameReport(4, 1, TOTAL + 1, PART),  # not like that
        FrameReport(4, 1, 0, 1),
        FrameReport(4, 1, TOTAL, 1 << TOTAL),
        FrameReport(4, 1, TOTAL, 0),
    ],
)
def test_impossible_reports_change_nothing(wrong: FrameReport) -> None:
    sender, names = call(6)
    assert sender.on_report(wrong, 0) is Verdict.IMPOSSIBLE
    assert sender.plan_next(10_000 * MS) == Plan(names[5])


def test_old_reports_change_nothing() -> None:
    sender, names = call(6)
    sender.on_report(report(names[3], 4), 0)
    assert sender.on_report(report(names[1], 2, PART), 0) is Verdict.STALE
    assert sender.plan_next(0) == Plan(names[5])


def test_loss_of_a_key_frame_is_answered_with_a_key_frame() -> None:
    sender, names = call(3)
    sender.on_encoded(3, 0, TOTAL, True, 0)
    encode(sender, 4)
    assert sender.on_report(report(names[2], 3, 0), 60 * MS) is Verdict.KEY_LOST
    assert sender.plan_next(60 * MS).key
    assert sender.next_event() == KeyFrameForced(Verdict.KEY_LOST, 3)
    encode(sender, 5, 60 * MS)
    assert sender.on_report(report(names[2], 3, 0), 60 * MS) is Verdict.STALE
    assert not sender.plan_next(60 * MS).key


def test_key_frame_makes_earlier_reports_stale() -> None:
    sender, names = call(3)
    sender.on_encoded(3, 0, TOTAL, True, 0)
    assert sender.on_report(report(names[1], 2, PART), 0) is Verdict.STALE
    assert sender.plan_next(0) == Plan(decoded(0, 3))


def test_loss_beyond_the_window_ends_in_a_key_frame() -> None:
    sender, names = call(100)
    assert sender.on_report(report(names[9], 10, PART), 0) is Verdict.FORGOTTEN
    assert sender.plan_next(0).key
    assert sender.next_event() == KeyFrameForced(Verdict.FORGOTTEN, 10)


def test_complete_frame_beyond_the_window_is_no_loss() -> None:
    sender, names = call(100)
    assert sender.on_report(report(names[9], 10), 0) is Verdict.STALE


def test_memory_is_bounded_without_any_report() -> None:
    sender, _ = call(500)
    retained = sender.retained()
    assert len(retained.lineages) <= 66
    assert retained.oldest_frame_id >= 0


def test_request_gets_a_key_frame() -> None:
    sender, _ = call(5)
    sender.on_pli(Pli(3), 1000 * MS)
    assert sender.plan_next(1000 * MS).key
    assert sender.next_event() == KeyFrameForced(Verdict.KEY_REQUESTED, 3)


def test_request_is_not_answered_while_a_key_frame_is_on_its_way() -> None:
    sender, _ = call(5)
    sender.set_rtt(100 * MS)
    sender.on_encoded(5, 0, TOTAL, True, 1000 * MS)
    sender.on_pli(Pli(4), 1149 * MS)
    assert not sender.plan_next(1149 * MS).key
    sender.on_pli(Pli(4), 1150 * MS)
    assert sender.plan_next(1150 * MS).key


def test_request_that_knows_of_the_key_frame_is_answered_sooner() -> None:
    sender, _ = call(5)
    sender.set_rtt(100 * MS)
    sender.on_encoded(5, 0, TOTAL, True, 1000 * MS)
    encode(sender, 6, 1000 * MS)
    sender.on_pli(Pli(6), 1100 * MS)
    assert sender.plan_next(1100 * MS).key


def test_no_peer_gets_a_key_frame_for_every_frame() -> None:
    sender, _ = call(1)
    keys = 0
    for frame_id in range(1, 31):
        now_us = frame_id * 33 * MS
        sender.on_pli(Pli(frame_id + 1000), now_us)
        sender.on_report(FrameReport(frame_id - 1, 1, 0, 0), now_us)
        keys += sender.plan_next(now_us).key
        encode(sender, frame_id, now_us)
    assert keys <= 15


def test_report_while_a_frame_is_coded_counts_for_the_one_after() -> None:
    sender, names = call(4)
    plan = sender.plan_next(0)
    sender.on_report(report(names[1], 2, PART), 0)
    assert sender.on_encoded(4, plan.parent, TOTAL, False, 0) == decoded(names[3], 4)
    assert sender.plan_next(0).parent == replayed(decoded(names[1], 2, PART), 3, 4)


def test_second_report_while_a_rebased_frame_is_coded_counts_for_the_one_after() -> None:
    sender, names = call(5)
    at_2 = decoded(names[1], 2, PART)
    sender.on_report(report(names[1], 2, PART), 0)
    first = sender.plan_next(0)
    sender.on_report(report(at_2, 3, PART), 0)
    sender.on_encoded(5, first.parent, TOTAL, False, 0)
    assert sender.plan_next(0).parent == replayed(decoded(at_2, 3, PART), 4, 5)


def test_states_of_a_plan_are_retained_while_it_is_coded() -> None:
    sender, names = call(5)
    sender.on_report(report(names[1], 2, PART), 0)
    plan = sender.plan_next(0)
    sender.on_report(report(decoded(names[1], 2, PART), 3, PART), 0)
    assert {plan.parent, names[1]} <= sender.retained().lineages
    assert sender.retained().oldest_frame_id <= 2


def test_numbers_passed_over_are_neither_sent_nor_replayed() -> None:
    sender, names = call(3)
    plan = sender.plan_next(0)
    name = sender.on_encoded(5, plan.parent, TOTAL, False, 0)
    assert name == decoded(names[2], 5)
    # a receiver that takes 3 and 4 for lost says so, which is no loss
    assert sender.on_report(report(names[2], 3, 0), 0) is Verdict.EXPECTED
    assert sender.on_report(report(decoded(names[2], 3, 0), 4, 0), 0) is Verdict.EXPECTED
    assert sender.on_report(report(names[1], 2, PART), 0) is Verdict.PARTIAL
    at_2 = decoded(names[1], 2, PART)
    assert [one.frame_id for one in sender.plan_next(0).steps] == [2, 5]
    assert sender.plan_next(0).parent == replayed(at_2, 5)


def test_loss_after_numbers_passed_over_is_explained_either_way() -> None:
    for names_of_gap in (0, 2):
        sender, names = call(2)
        at_1 = decoded(names[0], 1, PART)
        sender.on_encoded(4, sender.plan_next(0).parent, TOTAL, False, 0)
        sender.on_report(report(names[0], 1, PART), 0)
        before = at_1
        for gap in (2, 3)[:names_of_gap]:
            before = decoded(before, gap, 0)
        assert sender.on_report(report(before, 4, PART), 0) is Verdict.PARTIAL


@pytest.mark.parametrize(
    ("frame_id", "parent", "total", "key"),
    [(2, None, TOTAL, False), (3, 77, TOTAL, False), (3, 0, TOTAL, False), (3, None, 0, False), (3, None, 4096, False)],
)
def test_departing_from_the_plan_is_refused(frame_id: int, parent: int | None, total: int, key: bool) -> None:
    sender, names = call(3)
    with pytest.raises(ValueError, match="frame"):
        sender.on_encoded(frame_id, names[2] if parent is None else parent, total, key, 0)


def test_a_wanted_key_frame_outlasts_every_report() -> None:
    for verdict in Verdict:
        wanted = TRANSITIONS.get((SenderState.KEY, verdict), SenderState.KEY)
        assert (wanted is SenderState.KEY) == (verdict is not Verdict.KEY_ENCODED)


@given(
    st.lists(
        st.tuples(
            st.integers(-3, 130),
            st.integers(0, 2**32 - 1),
            st.sampled_from([0, TOTAL, 9]),
            st.integers(0, 2**10),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_any_reports_leave_a_sender_that_goes_on(reports: list[tuple[int, int, int, int, bool]]) -> None:
    sender, names = call(40)
    frame_id = 40
    for reported, name, total, received, encoded in reports:
        known = names[name % len(names)] if name % 2 else name
        sender.on_report(FrameReport(reported, decoded(known, reported, received & ALL), total, received), frame_id)
        if encoded:
            names.append(encode(sender, frame_id, frame_id * 33 * MS))
            frame_id += 1
        assert len(sender.retained().lineages) <= 200
