"""Whole calls between real processes on loopback: pictures arrive, calls come back, ends are clean."""

from __future__ import annotations

import signal
from pathlib import Path

import av
import pytest

from grace_lab.log.schema import Event

from .apps import PATIENCE_S, SMALL, App, apps, free_port, receiver, sender


def pictures(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize(("scheme", "loop"), [("vp8", "asyncio"), ("stub", "uvloop")])
def test_pictures_arrive_and_both_logs_name_them(tmp_path: Path, scheme: str, loop: str) -> None:
    port = free_port()
    there = receiver(tmp_path, port, "--scheme", scheme, "--record", "film.mp4", "--event-loop", loop)
    here = sender(tmp_path, port, "--scheme", scheme, "--event-loop", loop, *SMALL)
    with apps(there, here):
        there.wait_for("frame_shown", 12)
        assert here.end() == 0
        there.wait_until(lambda: "hung up" in there.says(), "the end of the call")
        assert there.end(signal.SIGTERM) == 0
    captured = {event.facts["rtp_timestamp"]: event for event in here.events("frame_captured") if _was_sent(event)}
    shown = there.events("frame_shown")
    assert [event.integer("index") for event in shown] == list(range(len(shown)))
    assert all(event.integer("rtp_timestamp") in captured for event in shown)
    assert all(event.at_us >= captured[event.integer("rtp_timestamp")].integer("captured_us") for event in shown)
    assert [event.text("state") for event in here.events("connection_state")][:2] == ["connecting", "connected"]
    assert here.events("process_ended")[0].text("reason") == "done"
    assert here.events("operating_point")[0].integer("width") == 64
    assert pictures(tmp_path / "film.mp4") > 0


def _was_sent(captured: Event) -> bool:
    """A frame that was due while the encoder was busy, or that the end of the call overtook, has no RTP timestamp."""
    return "rtp_timestamp" in captured.facts


def test_call_comes_back_when_either_side_is_killed(tmp_path: Path) -> None:
    port, scheme = free_port(), ("--scheme", "vp8")
    first = receiver(tmp_path, port, *scheme, "--record", "first.mp4", name="first")
    here = sender(tmp_path, port, *scheme, *SMALL)
    with apps(first, here):
        first.wait_for("frame_shown", 8)
        first.process.kill()
        first.process.wait()
        second = receiver(tmp_path, port, *scheme, name="second")
        with apps(second):
            second.wait_for("frame_shown", 5)  # the same sender called again
            here.process.kill()
            again = sender(
                tmp_path, port, *scheme, *SMALL, name="again"
            )  # another session: waits until the first is dead
            with apps(again):
                shown = len(second.events("frame_shown"))
                again.wait_for("frame_captured", 5)
                second.wait_for("frame_shown", shown + 5)
                assert again.end(signal.SIGTERM) == 0
                assert second.end() == 0
    assert "nothing from the peer" in here.says()


def test_one_call_at_a_time_and_only_with_the_token(tmp_path: Path) -> None:
    port, scheme = free_port(), ("--scheme", "vp8", "--give-up", "30")
    there = receiver(tmp_path, port, "--scheme", "vp8", "--token", "right-token")
    here = sender(tmp_path, port, *scheme, *SMALL, "--token", "right-token")
    with apps(there, here):
        there.wait_for("frame_shown", 3)
        stranger = sender(tmp_path, port, *scheme, *SMALL, "--token", "wrong-token", name="stranger")
        other = sender(tmp_path, port, *scheme, *SMALL, "--token", "right-token", "--give-up", "1", name="other")
        with apps(stranger, other):
            assert stranger.process.wait(PATIENCE_S) == 3
            assert other.process.wait(PATIENCE_S) == 3
        assert "wrong or missing token" in stranger.says()
        assert "busy: another call is going on here" in other.says()
        shown = len(there.events("frame_shown"))
        there.wait_for("frame_shown", shown + 3)


def test_file_ends_the_call_and_once_the_receiver(tmp_path: Path) -> None:
    film = tmp_path / "in.mkv"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(15):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    port, scheme = free_port(), ("--scheme", "vp8")
    there = receiver(tmp_path, port, *scheme, "--once", "--record-frames", "shown.yuv")
    here = sender(tmp_path, port, *scheme, "--input", str(film))
    with apps(there, here):
        assert here.process.wait(PATIENCE_S) == 0
        assert there.process.wait(PATIENCE_S) == 0
    assert [event.integer("source_frame") for event in here.events("frame_captured")] == list(range(15))
    shown = there.events("frame_shown")
    assert (tmp_path / "shown.yuv").stat().st_size == len(shown) * 64 * 64 * 3 // 2 > 0


def test_scheme_that_the_peer_has_not_becomes_vp8(tmp_path: Path) -> None:
    port = free_port()
    there = receiver(tmp_path, port, "--scheme", "vp8")
    here = sender(tmp_path, port, "--scheme", "stub", *SMALL)
    with apps(there, here):
        there.wait_for("frame_shown", 3)
        assert here.end() == 0
    assert "the peer has no GRACE that fits ours: sending VP8 instead" in here.says()
    captured = {event.facts["rtp_timestamp"] for event in here.events("frame_captured") if _was_sent(event)}
    assert {event.integer("rtp_timestamp") for event in there.events("frame_shown")} <= captured


def test_sender_waits_for_a_receiver_that_starts_later_and_ends_while_it_waits(tmp_path: Path) -> None:
    here = App(tmp_path, "sender", "send", "--to", f"http://127.0.0.1:{free_port()}", "--scheme", "vp8", *SMALL)
    with apps(here):
        here.wait_until(lambda: "calling again" in here.says(), "a second try")
        assert here.end() == 0
