"""Files as cameras, phones and broken copies make them: each frame at its own time, what is damaged left out."""

from __future__ import annotations

import io
import os
import sys
import threading
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from tests.codec.media.videos import grey_frame, number_of, numbered, write

from grace_codec.errors import ClipError
from grace_codec.media import ClipOptions, open_clip, open_video


def read(path: Path | str, options: ClipOptions | None = None) -> tuple[list[int], list[int]]:
    """(times in ms, numbers) of all frames."""
    with open_video(path, options) as video:
        frames = list(video.frames())
    return [round(frame.at_us / 1000) for frame in frames], [number_of(frame.planes) for frame in frames]


def test_times_count_and_not_the_stated_rate(tmp_path: Path) -> None:
    times = [100 * n for n in range(31)]
    path = write(tmp_path / "recorder.mkv", map(numbered, range(31)), times, rate=30)
    assert read(path) == (times, list(range(31)))
    with open_video(path) as video:
        assert (round(video.fps, 6), video.rate.stated) == (10, 30)


def test_variable_rate_is_kept(tmp_path: Path) -> None:
    times = [0, 33, 66, 500, 533, 2500, 2533]
    path = write(tmp_path / "phone.mkv", map(numbered, range(7)), times)
    assert read(path) == (times, list(range(7)))
    with open_clip(path) as clip:
        assert [frame.captured_us // 1000 for frame in clip.play(10)] == [*times, 2566, 4533, 4566]


def test_slides_minutes_apart_are_no_jump(tmp_path: Path) -> None:
    times = [0, 60_000, 300_000]
    assert read(write(tmp_path / "slides.mkv", map(numbered, range(3)), times)) == (times, [0, 1, 2])


def test_file_that_was_put_together_goes_on(tmp_path: Path) -> None:
    """Two recordings in one file: the second one's times begin at 0 again."""
    parts = [write(tmp_path / f"{n}.ts", map(numbered, range(10)), codec="libx264") for n in range(2)]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    times, numbers = read(path)
    assert numbers == [*range(10), *range(10)]
    assert times == [40 * n for n in range(20)]
    assert len(read(path, ClipOptions(fps=25.0))[0]) == 20


def test_stream_that_begins_late_begins_at_0(tmp_path: Path) -> None:
    times = [1_000_000 + 40 * n for n in range(10)]
    path = write(tmp_path / "late.ts", map(numbered, range(10)), times, codec="libx264")
    assert read(path)[0] == [40 * n for n in range(10)]
    assert read(path, ClipOptions(duration_s=0.2))[1] == [0, 1, 2, 3, 4]
    assert read(path, ClipOptions(start_s=0.2, duration_s=0.12))[1] == [5, 6, 7]


def test_stream_cut_between_key_frames_begins_at_the_next_one(tmp_path: Path) -> None:
    options = {"qp": "10", "g": "25", "preset": "ultrafast", "x264-params": "scenecut=0:bframes=0"}
    path = write(tmp_path / "cut.ts", [numbered(n % 50) for n in range(75)], codec="libx264", options=options)
    with av.open(str(path)) as container:
        packets = [(p.pos, p.is_keyframe) for p in container.demux(video=0) if p.pos is not None]
    assert packets[0][1]
    begin = next(pos for pos, _ in packets[8:] if pos) // 188 * 188
    path.write_bytes(path.read_bytes()[begin:])
    times, numbers = read(path)
    assert numbers[-50:] == [n % 50 for n in range(25, 75)]
    assert times[0] == 0
    assert all(later - earlier == 40 for earlier, later in pairwise(times))


def test_damaged_frame_is_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "camera.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        packets = []
        for number in range(30):
            frame = grey_frame(np.full((64, 96), 4 * number, np.uint8), "yuvj420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for number, packet in enumerate(packets):
            if number == 10:
                junk = av.Packet(bytes(300))
                junk.stream, junk.pts, junk.dts, junk.time_base = stream, packet.pts, packet.dts, packet.time_base
                out.mux(junk)
            else:
                out.mux(packet)
    with open_video(path) as video:
        times = [frame.at_us // 1000 for frame in video.frames()]
        assert video.damage.frames == 1
        assert video.damage.text == "1 damaged frame left out"
    assert times == [40 * n for n in range(30) if n != 10]


def test_cover_art_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "album.mp4"
    with av.open(str(path), "w") as out:
        art = out.add_stream("mjpeg", rate=1)
        art.width, art.height, art.pix_fmt = 600, 600, "yuvj420p"
        art.disposition = av.stream.Disposition.attached_pic
        film = out.add_stream("libx264", rate=25, options={"qp": "0", "preset": "ultrafast"})
        film.width, film.height, film.pix_fmt = 96, 64, "yuv420p"
        picture = grey_frame(np.full((600, 600), 250, np.uint8), "yuvj420p")
        picture.pts, picture.time_base = 0, Fraction(1)
        out.mux(art.encode(picture))
        out.mux(art.encode(None))
        for number in range(5):
            frame = numbered(number)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(film.encode(frame))
        out.mux(film.encode(None))
    with open_video(path) as video:
        assert video.facts is not None
        assert set(video.facts.streams) == {"video mjpeg 600x600 (cover art)", "video h264 96x64 (shown)"}
    assert read(path)[1] == [0, 1, 2, 3, 4]


def test_size_that_changes_in_mid_file_is_scaled_to_the_first(tmp_path: Path) -> None:
    path = tmp_path / "call.mkv"
    options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(5):
            frame = numbered(number, (320, 180))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        smaller = av.CodecContext.create("libvpx", "w")
        assert isinstance(smaller, av.VideoCodecContext)
        smaller.width, smaller.height, smaller.pix_fmt = 160, 90, "yuv420p"
        smaller.time_base, smaller.framerate, smaller.options = Fraction(1, 25), Fraction(25), options
        packets = []
        for number in range(5):
            frame = numbered(number + 5, (160, 90))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += smaller.encode(frame)
        packets += smaller.encode(None)
        for number, packet in enumerate(packets, 5):
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 25)
            out.mux(packet)
    with open_video(path) as video:
        frames = list(video.frames())
    assert [number_of(frame.planes) for frame in frames] == list(range(10))
    assert {frame.planes[0].shape for frame in frames} == {(180, 320)}


def test_raw_frames_are_read_with_what_is_said_or_what_their_name_says(tmp_path: Path) -> None:
    data = b"".join(plane for n in range(6) for plane in (bytes([20 + 4 * n]) * 96 * 64, bytes([128]) * 96 * 32))
    plain, named = tmp_path / "sequence.yuv", tmp_path / "foreman_96x64_30.yuv"
    plain.write_bytes(data)
    named.write_bytes(data)
    times = [round(1000 * n / 30) for n in range(6)]
    assert read(named) == (times, list(range(6)))
    assert read(plain, ClipOptions((96, 64), 30.0)) == (times, list(range(6)))
    with pytest.raises(ClipError, match="--size 352x288 --fps 30 --pix-fmt yuv420p"):
        open_video(plain)
    with pytest.raises(ClipError, match=r"55296 bytes are no whole number of 100x64 yuv420p frames of 9600 bytes"):
        open_video(plain, ClipOptions((100, 64), 30.0))
    with pytest.raises(ClipError, match="no pixel format"):
        open_video(plain, ClipOptions((96, 64), 30.0, pix_fmt="yuv999"))
    interleaved = tmp_path / "camera.raw"
    interleaved.write_bytes(data)
    assert read(interleaved, ClipOptions((96, 64), 30.0, pix_fmt="nv12"))[1] == list(range(6))


def test_y4m_comes_through_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = b"YUV4MPEG2 W96 H64 F10:1 Ip A1:1 C420jpeg\n"
    frames = b"".join(b"FRAME\n" + bytes([20 + 4 * n]) * 96 * 64 + bytes([128]) * 96 * 32 for n in range(5))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(header + frames)))
    with open_video("-") as video:
        assert (video.name, video.fps) == ("standard input", 10)
        assert [(frame.at_us, number_of(frame.planes)) for frame in video.frames()] == [
            (100_000 * n, n) for n in range(5)
        ]


def test_what_a_file_says_is_told(tmp_path: Path) -> None:
    luma = np.full((96, 128), 100, np.uint8)
    path = write(tmp_path / "hd.mkv", [grey_frame(luma)], codec="libx264", colorspace=1, color_range=1, color_trc=1)
    with open_video(path) as video:
        list(video.frames())
        facts = video.facts
    assert facts is not None
    assert (facts.range, facts.matrix, facts.orientation, facts.aspect) == ("limited", "bt709", "upright", "1:1")
    assert facts.streams == ("video h264 128x96 (shown)",)


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    assert read(write(tmp_path / "one.mkv", [numbered(7)])) == ([0], [7])


def test_memory_holds_one_frame_of_a_long_file(tmp_path: Path) -> None:
    path = write(tmp_path / "long.mkv", [numbered(n % 50) for n in range(300)])
    with open_video(path) as video:
        assert sum(1 for _ in video.frames()) == 300
        assert video.length_s == pytest.approx(12.0, abs=0.1)


def test_what_is_done_to_the_size_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "tall.mkv", [numbered(1, (64, 128))])
    wanted = {
        None: "",
        (128, 256): "tall.mkv: 64x128 is scaled to 128x256",
        (128, 64): "tall.mkv: 64x128 is stretched to 128x64",
    }
    for size, said in wanted.items():
        with open_video(path, ClipOptions(size)) as video:
            assert video.scaling == said
    with open_video(write(tmp_path / "small.mkv", [numbered(1, (30, 20))])) as video:
        assert video.scaling == "small.mkv: 30x20 is scaled to 96x64"


def test_named_pipe_is_read_once(tmp_path: Path) -> None:
    pipe, data = tmp_path / "pipe.y4m", b"YUV4MPEG2 W96 H64 F10:1 Ip A1:1 C420jpeg\n"
    data += b"".join(b"FRAME\n" + bytes([20 + 4 * n]) * 96 * 64 + bytes([128]) * 96 * 32 for n in range(5))
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    assert read(pipe) == ([0, 100, 200, 300, 400], [0, 1, 2, 3, 4])
    writer.join()
