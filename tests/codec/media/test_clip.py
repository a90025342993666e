"""Laws of reading clips: sizes, rates, parts, loops, bounded memory, and what is said of files that are none."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from grace_codec.errors import ClipError
from grace_codec.media import ClipOptions, VideoClip, open_clip, open_video, palindrome, split_i420
from grace_codec.types import Planes


def write_video(path: Path, times_ms: list[int], width: int = 96, height: int = 64) -> Path:
    """A lossless video whose frame k, shown at times_ms[k], is uniformly 20 + 10k bright."""
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25, options={"g": "1"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, at_ms in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), 20 + 10 * index, np.uint8), "yuv420p")
            frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shown(clip: VideoClip) -> list[int]:
    """Which frame of `write_video` each frame of the clip is."""
    return [(int(frame.y[0, 0]) - 20) // 10 for frame in clip.play()]


@pytest.fixture
def even(tmp_path: Path) -> Path:
    return write_video(tmp_path / "even.mkv", [0, 40, 80, 120, 160])


def test_file_reads_as_it_is(even: Path) -> None:
    with open_clip(even) as clip:
        assert (clip.name, clip.width, clip.height, clip.fps) == ("even.mkv", 96, 64, 25.0)
        assert shown(clip) == [0, 1, 2, 3, 4]
        frame = clip.frame(3)
    assert (frame.frame_id, frame.captured_us) == (3, 120_000)
    assert (frame.y.shape, frame.u.shape, frame.v.shape) == ((64, 96), (32, 48), (32, 48))
    assert not frame.y.flags.writeable
    assert frame.u[0, 0] == frame.v[0, 0] == 50


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (25.0, [0, 1, 2, 3, 4]),
        (50.0, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),
        (12.5, [0, 2, 4]),
        (30.0, [0, 0, 1, 2, 3, 4]),
    ],
)
def test_resampling_shows_the_newest_frame_that_is_not_later(even: Path, fps: float, expected: list[int]) -> None:
    with open_clip(even, ClipOptions(fps=fps)) as clip:
        assert shown(clip) == expected


def test_times_rounded_by_the_container_do_not_stutter(tmp_path: Path) -> None:
    path = write_video(tmp_path / "thirty.mkv", [round(k * 1000 / 30) for k in range(9)])
    with open_clip(path, ClipOptions(fps=30.0)) as clip:
        assert shown(clip) == list(range(9))


def test_gap_in_the_file_holds_the_last_frame(tmp_path: Path) -> None:
    with open_clip(write_video(tmp_path / "gap.mkv", [0, 40, 160, 200]), ClipOptions(fps=25.0)) as clip:
        assert shown(clip) == [0, 1, 1, 1, 2, 3]


@pytest.mark.parametrize("fps", [None, 25.0])
def test_part_of_a_file(even: Path, fps: float | None) -> None:
    with open_clip(even, ClipOptions(fps=fps, start_s=0.04, duration_s=0.08)) as clip:
        assert shown(clip) == [1, 2]
        assert clip.frame(0).captured_us == 0


def test_scaling_to_a_wanted_size(even: Path) -> None:
    with open_clip(even, ClipOptions(size=(160, 90))) as clip:
        assert (clip.width, clip.height) == (160, 90)
        assert shown(clip) == [0, 1, 2, 3, 4]


def test_odd_sizes_are_cropped_to_even(tmp_path: Path) -> None:
    path = tmp_path / "odd.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 97, 75, "yuv444p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((3, 75, 97), 90, np.uint8), "yuv444p")))
        container.mux(stream.encode(None))
    with open_clip(path) as clip:
        assert (clip.width, clip.height) == (96, 74)
        assert clip.frame(0).u.shape == (37, 48)


def test_video_of_a_phone_held_upright_stands_upright(tmp_path: Path) -> None:
    """The file says: turn 90 degrees clockwise to show (the matrix of QuickTime's track header)."""
    path = tmp_path / "phone.mp4"
    dark_to_bright = np.vstack([np.tile(np.arange(128, dtype=np.uint8), (64, 1)), np.full((32, 128), 128, np.uint8)])
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(dark_to_bright, "yuv420p")))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    upright = np.array([1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
    turned = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30], ">i4").tobytes()
    matrix = data.index(upright, data.index(b"tkhd"))
    path.write_bytes(data[:matrix] + turned + data[matrix + 36 :])
    with open_clip(path) as clip:
        y = clip.frame(0).y
    assert y.shape == (128, 64)
    assert y[0].mean() < 5
    assert y[-1].mean() > 120


def test_looping_goes_forward_and_backward_without_a_cut(even: Path) -> None:
    with open_clip(even) as clip:
        frames = list(clip.play(11))
    assert [(int(frame.y[0, 0]) - 20) // 10 for frame in frames] == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2]
    assert [frame.captured_us for frame in frames] == [k * 40_000 for k in range(11)]
    assert [palindrome(k, 1) for k in range(3)] == [0, 0, 0]


def test_pictures_beyond_the_memory_bound_are_still_the_same(even: Path) -> None:
    with open_clip(even) as whole, open_clip(even, memory_bytes=2 * 96 * 64 * 3 // 2) as bounded:
        assert bounded.count() == 5
        for index in (4, 0, 3, 2, 4, 1):
            same = zip(whole.picture(index), bounded.picture(index), strict=True)
            assert all(np.array_equal(a, b) for a, b in same)
        with pytest.raises(IndexError):
            bounded.picture(5)


def test_only_what_is_asked_for_is_decoded() -> None:
    drawn: list[int] = []

    def pictures() -> Iterator[Planes]:
        for index in range(100):
            drawn.append(index)
            yield split_i420(bytes(64 * 64 * 3 // 2), 64, 64)

    clip = VideoClip("test", 25.0, pictures())
    clip.frame(2)
    assert drawn == [0, 1, 2]


def test_change_of_size_within_a_clip_is_an_error() -> None:
    pictures = (split_i420(bytes(side * side * 3 // 2), side, side) for side in (64, 64, 66))
    clip = VideoClip("test", 25.0, pictures)
    with pytest.raises(ClipError, match="size changes in the clip after 2 frames"):
        clip.count()


def test_builtin_clip_has_the_wanted_size_rate_and_length() -> None:
    with open_clip("builtin:talk", ClipOptions(size=(96, 64), fps=10.0, duration_s=0.5)) as clip:
        assert (clip.name, clip.width, clip.height, clip.fps, clip.count()) == ("builtin:talk", 96, 64, 10.0, 5)
        assert clip.frame(4).captured_us == 400_000


def test_builtin_clip_starts_where_it_is_told() -> None:
    with (
        open_clip("builtin:pan:7", ClipOptions(size=(64, 64), fps=10.0, duration_s=0.5)) as early,
        open_clip("builtin:pan:7", ClipOptions(size=(64, 64), fps=10.0, start_s=0.3)) as late,
    ):
        assert np.array_equal(early.picture(3)[0], late.picture(0)[0])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"size": (641, 360)}, "even"),
        ({"size": (32, 32)}, "outside 64x64 to 1920x1080"),
        ({"size": (1920, 1920)}, "outside 64x64 to 1920x1080 or 1080x1920"),
        ({"fps": 0.0}, "frame rate 0"),
        ({"fps": float("nan")}, "frame rate nan"),
        ({"start_s": -1.0}, "start -1"),
        ({"duration_s": 0.0}, "duration 0"),
    ],
)
def test_impossible_wishes_are_refused(options: dict[str, float], reason: str) -> None:
    with pytest.raises(ClipError, match=reason):
        ClipOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty.*0 bytes"),
        (b"no video" * 100, "not a readable video"),
        (b"\x00\x00\x00\x20ftypisom" * 9, "not a readable"),
    ],
)
def test_file_that_is_no_video_is_refused_with_advice(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(ClipError, match=reason) as error:
        open_clip(path)
    assert "broken.mp4" in str(error.value)


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"no such file.*builtin:talk"):
        open_clip(tmp_path / "none.mp4")
    with pytest.raises(ClipError, match="not a file"):
        open_clip(tmp_path)


def test_file_without_pictures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(path, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(ClipError, match="no video stream"):
        open_clip(path)


def test_start_behind_the_end_is_refused(even: Path) -> None:
    with pytest.raises(ClipError, match="no frame in the wanted part"):
        open_clip(even, ClipOptions(start_s=9.0))


def test_file_cut_short_is_read_as_far_as_it_goes_or_says_where_it_broke(even: Path) -> None:
    data = even.read_bytes()
    even.write_bytes(data[: len(data) * 2 // 3])
    with open_clip(even) as clip:
        assert 1 <= clip.count() < 5


def test_file_damaged_anywhere_gives_what_can_be_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "torn.mkv", [40 * k for k in range(20)])
    data = path.read_bytes()
    counts, damaged = [], 0
    for torn in range(600, len(data), 90):
        path.write_bytes(data[:torn] + bytes(40) + data[torn + 40 :])
        try:
            with open_video(path) as video:
                counts.append(sum(1 for _ in video.frames()))
                damaged += video.damage.frames > 0
        except ClipError:
            counts.append(0)
    assert max(counts) <= 20
    assert sum(count >= 18 for count in counts) > 0.8 * len(counts)
    assert damaged > 0


def test_unknown_builtin_clip_names_the_known_ones() -> None:
    for name in ("builtin:walk", "builtin:talk:x", "builtin:talk:99999999999999999999"):
        with pytest.raises(ClipError, match="builtin:talk, builtin:pan, builtin:detail"):
            open_clip(name)
