"""Laws of the demo's parts: figures, words, films, records, children; everything but the calls themselves."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from grace_codec.media.clip import ClipOptions, open_clip
from grace_codec.types import Planes
from grace_lab.errors import LogError
from grace_lab.log.merge import Capture, ProcessLogs, Showing
from grace_lab.log.schema import SessionLog
from grace_netsim.errors import TraceError
from grace_netsim.trace.files import load_rates
from grace_netsim.trace.rates import RateSeries
from grace_rtc.cli import app
from grace_rtc.demo.agreement import costs_of, seen_network
from grace_rtc.demo.call import CallFiles, netsim_command, receive_command, send_command
from grace_rtc.demo.clip_file import fitting_size, make_clip
from grace_rtc.demo.film import Moment, Panel, write_received, write_side_by_side
from grace_rtc.demo.network import write_network
from grace_rtc.demo.processes import Child, Crew, crew
from grace_rtc.demo.record import PictureRecord, measured, scaled_picture
from grace_rtc.demo.settings import DemoSettings, title
from grace_rtc.demo.summary import Figures, Sent, figures_of, summary, verdict, warning
from grace_rtc.errors import DemoError

pytest.importorskip("av")
pytest.importorskip("cv2")

SENT = Sent(320, 180, 12.5, "grace-lite")


def call_log(lost: tuple[int, ...] = ()) -> SessionLog:
    """Two seconds at 12.5 fps; every frame but those `lost` is shown after 150 ms with an SSIM of 20 dB."""
    log = SessionLog()
    names = {"scheme": "stub", "video": "v", "trace": "t", "cc": "gcc", "loss_control": "v2"}
    log.emit(0, "session_started", **names, fps=12.5, width=320, height=180, seed=1, owd_ms=100, queue_packets=25)
    for frame_id in range(25):
        at_us = frame_id * 80_000
        log.emit(at_us, "frame_captured", frame_id=frame_id, captured_us=at_us)
        packet = {"seq": frame_id, "frame_id": frame_id, "index": 0, "bytes": 1000}
        log.emit(at_us, "packet_sent", **packet, kind="media")
        if frame_id not in lost:
            shown = {"captured_us": at_us, "delay_us": 150_000, "ssim": 0.99, "psnr": 40.0}
            log.emit(at_us + 150_000, "frame_rendered", frame_id=frame_id, **shown)
    return log


def picture(value: int, size: tuple[int, int] = (64, 64)) -> Planes:
    width, height = size
    planes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    y, u, v = (np.full(shape, 128, np.uint8) for shape in planes)
    y[:] = value
    return y, u, v


# -- figures and words ---------------------------------------------------------------------------------------------


def test_figures_have_the_names_of_the_summary() -> None:
    figures = figures_of(call_log(lost=(10, 11, 12, 13, 14)), SENT)
    assert figures["frames_sent"] == 25
    assert figures["frames_rendered"] == 20
    assert figures["non_rendered_ratio"] == 0.2
    assert figures["p50_delay_ms"] == figures["p98_delay_ms"] == 150.0
    assert figures["stall_ratio"] == 0.24  # from frame 9 on the screen to frame 15: 6 intervals of 80 ms, of 2 s
    assert figures["ssim_db"] == 20.0
    assert figures["bitrate_bps"] == 100_000.0
    assert (figures["width"], figures["height"], figures["fps"], figures["profile"]) == (320, 180, 12.5, "grace-lite")
    wanted = {"frames_sent", "frames_rendered", "partial_frames", "resyncs", "non_rendered_ratio", "p50_delay_ms"}
    wanted |= {"p98_delay_ms", "stall_ratio", "ssim_db", "bitrate_bps", "fps", "width", "height", "profile"}
    assert wanted <= figures.keys()


def test_summary_has_the_first_scheme_on_top_and_each_by_name() -> None:
    calls: dict[str, Figures] = {"grace-lite": {"frames_sent": 3}, "h264": {"frames_sent": 4}}
    made = summary({"trace": "lte-3"}, calls)
    assert (made["scheme"], made["frames_sent"], made["trace"]) == ("grace-lite", 3, "lte-3")
    assert made["schemes"] == calls


def figures(still: float, worst_ms: float, ssim: float | None, bitrate: float = 1e6) -> Figures:
    return {"stall_ratio": still, "p98_delay_ms": worst_ms, "ssim_db": ssim, "bitrate_bps": bitrate}


def test_verdict_says_what_is_better_and_what_is_worse() -> None:
    text = verdict({"grace-lite": figures(0.01, 300, 12.0, 9e5), "h264": figures(0.2, 1200, 14.0, 6e5)})
    assert text == (
        "Over the same network, GRACE (grace-lite) stood still 1.0 % of the time and plain H.264 20.0 %; the slowest "
        "pictures took 0.30 s against 1.20 s; what GRACE (grace-lite) showed was 2.0 dB further from the original, for "
        "1.5 times the bits."
    )


def test_verdict_does_not_favour_us() -> None:
    text = verdict({"grace-lite": figures(0.3, 2000, 12.0), "h264": figures(0.0, 200, 11.0)})
    assert "GRACE (grace-lite) stood still 30.0 % of the time and plain H.264 0.0 %" in text
    assert "1.0 dB closer to the original" in text


def test_busy_machine_is_told_and_a_hiccup_is_not() -> None:
    log = call_log()
    for frame_id in (3, 4):
        log.emit(5, "frame_skipped", frame_id=frame_id, reason="encoder too slow")
    log.emit(6, "frame_lost", frame_id=5, reason="decoder too slow")
    log.emit(6, "frame_lost", frame_id=6, reason="nothing to decode")
    busy = figures_of(log, SENT)
    assert (busy["frames_captured"], busy["frames_too_slow"]) == (25, 3)
    assert warning({"grace-lite": busy}).startswith(
        "This machine was too busy: it had no time for 3 pictures of GRACE (grace-lite); end other programs"
    )
    assert warning({"grace-lite": busy | {"frames_captured": 1000}, "h264": figures(0, 0, None)}) == ""


def test_verdict_of_one_scheme_compares_nothing() -> None:
    text = verdict({"h264": figures(0.2, 1200, 14.0) | {"non_rendered_ratio": 0.25}})
    assert text == "plain H.264 stood still 20.0 % of the time; 25.0 % of its pictures came too late or never."


RATIO = st.one_of(st.none(), st.floats(0, 1))


@given(st.dictionaries(st.sampled_from(["grace-lite", "h264", "vp8"]), st.tuples(RATIO, RATIO, RATIO), min_size=1))
def test_verdict_copes_with_missing_figures(given_: dict[str, tuple[float | None, ...]]) -> None:
    names = ("stall_ratio", "ssim_db", "p98_delay_ms")
    assert verdict({scheme: dict(zip(names, values, strict=True)) for scheme, values in given_.items()}).endswith(".")


# -- settings ------------------------------------------------------------------------------------------------------


def test_scheme_names_for_people() -> None:
    assert title("h264") == "plain H.264"
    assert title("grace-p") == "GRACE (grace-p)"
    assert title("stub") == "stub"


def test_unknown_scheme_and_repeated_scheme_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no scheme is called av1: use grace-lite"):
        DemoSettings(out=tmp_path, schemes=("av1",))
    with pytest.raises(ValueError, match="each scheme once"):
        DemoSettings(out=tmp_path, schemes=("h264", "h264"))
    with pytest.raises(ValueError, match="no scheme is called"):
        DemoSettings(out=tmp_path, schemes=())


def test_trace_size_and_length_are_checked_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(TraceError):
        DemoSettings(out=tmp_path, trace="nowhere")
    with pytest.raises(ValueError, match="2 to 600 seconds"):
        DemoSettings(out=tmp_path, seconds=1e9)
    with pytest.raises(Exception, match="even"):
        DemoSettings(out=tmp_path, size=(321, 180))


def test_network_is_the_trace_times_its_scale(tmp_path: Path) -> None:
    write_network("lte-3", 0.25, tmp_path / "new" / "network.rates")
    scaled, whole = load_rates(str(tmp_path / "new" / "network.rates")), load_rates("lte-3")
    assert len(scaled.rates_bps) == whole.duration_us // 100_000
    assert scaled.rates_bps[7] == pytest.approx(whole.rate_at(700_000) / 4, abs=1)
    assert DemoSettings(out=tmp_path, trace="lte-1", scale=0.5).network == "lte-1 at 50 %"
    assert DemoSettings(out=tmp_path, trace="lte-1", scale=1).network == "lte-1"
    assert DemoSettings(out=tmp_path, scale=0.4).queue == 10  # 25 packets, the lab's queue, times 0.4
    assert DemoSettings(out=tmp_path, scale=0.01).queue == 2


def test_commands_name_every_setting(tmp_path: Path) -> None:
    asked = DemoSettings(out=tmp_path, trace="lte-1", scale=0.5, owd_ms=50, queue_packets=60, seed=7)
    files = CallFiles(tmp_path)
    network = netsim_command(asked, 8080, "http://127.0.0.1:8081", files)
    assert network[0] == "netsim"
    assert {str(tmp_path / "network.rates"), "50", "30", "7", "http://127.0.0.1:8081"} <= set(network)
    assert receive_command("h264", 8081, files)[0] == "receive"
    assert send_command(asked, "h264", "http://127.0.0.1:8080", files)[0] == "send"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--video", "no-such.mp4"], "no such file"),
        (["--trace", "no-such-trace"], "no-such-trace"),
        (["--schemes", "h264,av1"], "no scheme is called av1"),
        (["--size", "big"], "not WIDTHxHEIGHT"),
        (["--cc", "none"], "none"),
    ],
)
def test_mistakes_are_one_line_and_status_2(tmp_path: Path, options: list[str], reason: str) -> None:
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "out"), *options])
    assert result.exit_code == 2
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


# -- the clip and the record ---------------------------------------------------------------------------------------


def test_clip_file_holds_the_very_pictures(tmp_path: Path) -> None:
    make_clip("builtin:pan", tmp_path / "new" / "clip.mkv", (64, 64), 12.5, 5)
    options = ClipOptions(size=(64, 64), fps=12.5)
    with open_clip(tmp_path / "new" / "clip.mkv") as clip, open_clip("builtin:pan", options) as original:
        assert (clip.count(), clip.fps) == (5, 12.5)
        for index in range(5):
            for plane, wanted in zip(clip.picture(index), original.picture(index), strict=True):
                assert np.array_equal(plane, wanted)


def test_size_keeps_the_shape_and_never_grows(tmp_path: Path) -> None:
    assert fitting_size("builtin:talk") == (320, 180)
    make_clip("builtin:talk", tmp_path / "tall.mkv", (432, 528), 5, 1)
    assert fitting_size(str(tmp_path / "tall.mkv")) == (218, 266)
    make_clip("builtin:talk", tmp_path / "small.mkv", (128, 96), 5, 1)
    assert fitting_size(str(tmp_path / "small.mkv")) == (128, 96)


def shown_log(*sizes: tuple[int, int]) -> SessionLog:
    log = SessionLog()
    for index, (width, height) in enumerate(sizes):
        log.emit(index, "frame_shown", index=index, rtp_timestamp=index, width=width, height=height)
    return log


def test_record_is_read_picture_by_picture_whatever_their_sizes(tmp_path: Path) -> None:
    pictures = [picture(10), picture(20, (32, 16)), picture(30)]
    (tmp_path / "r").write_bytes(b"".join(plane.tobytes() for planes in pictures for plane in planes))
    with PictureRecord(tmp_path / "r", shown_log((64, 64), (32, 16), (64, 64), (64, 64))) as record:
        for index in (2, 0, 1):
            planes = record.picture(index)
            assert planes is not None
            assert planes[0].shape == pictures[index][0].shape
            assert (planes[0] == 10 * (index + 1)).all()
        assert record.picture(3) is None  # a killed process did not write it any more
        assert record.picture(9) is None


def test_picture_for_which_the_record_had_no_time_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(b"".join(plane.tobytes() for plane in picture(10)))
    log = SessionLog()
    for index in (-1, 0):
        log.emit(5, "frame_shown", index=index, rtp_timestamp=0, width=64, height=64)
    with PictureRecord(tmp_path / "r", log) as record:
        assert record.picture(0) is not None
        assert record.picture(-1) is None


@pytest.mark.parametrize("size", [(0, 64), (63, 64), (100_000, 64)])
def test_record_of_impossible_sizes_is_an_error(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "r").write_bytes(bytes(100))
    with pytest.raises(LogError, match="damaged"):
        PictureRecord(tmp_path / "r", shown_log(size))


def test_missing_record_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="record of shown pictures"):
        PictureRecord(tmp_path / "none", shown_log((64, 64)))


def test_smaller_picture_is_compared_at_the_captured_size(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 128, 2, dtype=np.uint8), (64, 1))
    captured: Planes = (ramp, ramp[::2, ::2].copy(), ramp[::2, ::2].copy())
    small = scaled_picture(captured, 32, 32)
    (tmp_path / "r").write_bytes(b"".join(plane.tobytes() for plane in (*captured, *small)))
    shown = [Showing(index, 0, 0, 0, Capture(index + 5, 0, 0)) for index in range(2)]
    with PictureRecord(tmp_path / "r", shown_log((64, 64), (32, 32))) as record:
        found = measured(shown, record, lambda number: captured)
    assert found[5].ssim == 1.0
    assert 0.9 < found[6].ssim < 1.0


# -- films ---------------------------------------------------------------------------------------------------------


def film_luma(path: Path) -> list[tuple[float, np.ndarray]]:
    import av

    with av.open(str(path)) as container:
        return [(float(frame.time or 0), frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]


def test_received_film_keeps_the_times_of_the_call(tmp_path: Path) -> None:
    moments = [(100_000, picture(40)), (180_000, picture(120)), (900_000, picture(200))]
    assert write_received(tmp_path / "f.mp4", moments, (64, 64)) == 3
    times = [at for at, _ in film_luma(tmp_path / "f.mp4")]
    assert times == pytest.approx([0.1, 0.18, 0.9], abs=0.002)


def test_film_of_nothing_is_an_error_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="no picture"):
        write_received(tmp_path / "f.mp4", [], (64, 64))
    assert not (tmp_path / "f.mp4").exists()


def test_film_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match="cannot be written"):
        write_received(tmp_path / "file" / "f.mp4", [(0, picture(9))], (64, 64))


def test_side_by_side_shows_each_at_its_time_and_frames_what_stands_still(tmp_path: Path) -> None:
    sent = Panel("sent", [Moment(0, 0), Moment(500_000, 1)], [picture(40), picture(200)].__getitem__, live=False)
    frozen = Panel("received", [Moment(200_000, 0, 150_000)], lambda index: picture(120))
    assert write_side_by_side(tmp_path / "f.mp4", [sent, frozen], (64, 64), 1_000_000) == 25
    frames = [luma for _, luma in film_luma(tmp_path / "f.mp4")]
    middle, left, right = 34 + 240, 240, 486 + 240
    assert frames[2][middle, left] < 60
    assert frames[20][middle, left] > 180
    assert frames[2][middle, right] < 40  # nothing has come yet
    moving, still = frames[7][middle, right], frames[20][middle, right]
    assert moving > 100
    assert still < 0.85 * moving  # paler, and marked


# -- the lab's twin ------------------------------------------------------------------------------------------------


def logs_with_first_packet(captured_us: int, relayed_us: int) -> ProcessLogs:
    sender, relay = SessionLog(), SessionLog()
    sender.emit(captured_us, "frame_captured", frame_id=0, captured_us=captured_us)
    relay.emit(captured_us - 5, "packet_relayed", direction="up", kind="other", bytes=100)
    relay.emit(captured_us - 4, "packet_relayed", direction="down", kind="feedback", bytes=100)
    for at_us in (relayed_us, relayed_us + 9):
        relay.emit(at_us, "packet_relayed", direction="up", kind="media", bytes=100)
    return ProcessLogs(sender=sender, receiver=SessionLog(), relay=relay)


def test_twins_network_begins_with_the_first_packet_of_the_live_call() -> None:
    network = RateSeries((1_000_000, 2_000_000, 3_000_000))
    seen = seen_network(network, logs_with_first_packet(50_000_000, 50_040_000))
    assert (seen.step_us, seen.duration_us) == (5_000, 300_000)
    assert [seen.rate_at(at_us) for at_us in (0, 39_000, 139_000, 140_000, 240_000)] == [
        1_000_000, 1_000_000, 1_000_000, 2_000_000, 3_000_000
    ]  # fmt: skip


def test_twins_frames_cost_what_the_same_pictures_cost_live() -> None:
    sender, coded = SessionLog(), SessionLog()
    for frame_id, picture in ((7, 12), (8, 13), (10, 15)):
        facts = {"frame_id": frame_id, "captured_us": 80_000 * frame_id, "picture": picture}
        sender.emit(80_000 * frame_id, "frame_captured", **facts)
        more = {"key": False, "bytes": 1, "packets": 1, "parent": 0, "lineage": 1}
        coded.emit(80_000 * frame_id, "frame_encoded", frame_id=frame_id, encode_us=1000 * frame_id, **more)
    assert costs_of(sender, coded.named("frame_encoded"), "encode_us") == {0: 7000, 1: 8000, 3: 10_000}


def test_twin_of_a_call_without_packets_is_an_error() -> None:
    logs = logs_with_first_packet(50_000_000, 50_040_000)
    with pytest.raises(DemoError, match="no video reached the network"):
        seen_network(RateSeries((1,)), ProcessLogs(sender=logs.sender, receiver=logs.receiver))


@given(st.integers(1, 10**9), st.integers(-(10**6), 10**8))
def test_any_first_packet_gives_a_network(captured_us: int, later_us: int) -> None:
    seen = seen_network(RateSeries((1, 2)), logs_with_first_packet(captured_us, captured_us + later_us))
    assert len(seen.rates_bps) == 40
    assert set(seen.rates_bps) <= {1, 2}


# -- children ------------------------------------------------------------------------------------------------------


def eventually(condition: object) -> None:
    assert callable(condition)
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """No such process, or a dead one that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Children run this script's lines instead of `grace-rtc`."""
    script = tmp_path / "fake-python"
    script.write_text(f'#!/bin/sh\nshift 3\nexec "{sys.executable}" -c "$1"\n')
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return str(script)


FOREVER = "import time; print('here', flush=True); time.sleep(600)"
DEAF = "import signal; [signal.signal(number, signal.SIG_IGN) for number in (2, 15)]; " + FOREVER


def started(members: Crew, name: str, code: str) -> Child:
    child = members.start(name, [code])
    eventually(lambda: "here" in child.tail() or child.status is not None)
    return child


@pytest.mark.usefixtures("python")
def test_children_are_gone_after_the_block_even_deaf_ones(tmp_path: Path) -> None:
    children = []

    def fail() -> None:
        with crew(tmp_path) as members:
            children.extend([started(members, "a", FOREVER), started(members, "b", DEAF)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [gone(child.process.pid) for child in children] == [True, True]


@pytest.mark.usefixtures("python")
def test_grandchildren_are_gone_too(tmp_path: Path) -> None:
    code = "import subprocess; p = subprocess.Popen(['sleep', '600']); print('here', p.pid, flush=True); p.wait()"
    with crew(tmp_path) as members:
        child = started(members, "a", code)
        grandchild = int(child.tail().split()[1])
    eventually(lambda: gone(grandchild))


@pytest.mark.usefixtures("python")
def test_failed_child_is_told_with_the_end_of_what_it_said(tmp_path: Path) -> None:
    with crew(tmp_path) as members:
        child = members.start("send", ["import sys; print('no camera'); sys.exit(3)"])
        eventually(lambda: child.status is not None)
        with pytest.raises(DemoError, match=r"(?s)send ended with status 3; it said last:\nno camera"):
            members.check()
