"""Small videos with known content, made for the tests of reading them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from grace_codec.types import Planes

ONE = 1 << 16
WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""Of red and blue in the luma of each H.273 matrix."""

Array = npt.NDArray[np.floating]
"""(H, W, 3) of R'G'B', 0 to 1."""


def patches(seed: int = 3) -> Array:
    """4 x 6 flat patches of 32 x 32 px, not too near to black, white and full saturation."""
    colours = np.random.default_rng(seed).random((4, 6, 3)) * 0.8 + 0.1
    return np.asarray(np.kron(colours, np.ones((32, 32, 1))))


def yuv_frame(image: Array, pix_fmt: str, matrix: int, full: bool) -> av.VideoFrame:
    """An image as a planar or nv12 frame, tagged with the matrix (2: untagged, BT.601) and the range."""
    red, blue = WEIGHTS.get(matrix, WEIGHTS[6])
    r, g, b = np.moveaxis(image, -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    unit = 4 if "10" in pix_fmt else 1
    if full:
        top = 256 * unit - 1
        planes = [y * top, 128 * unit + u * top, 128 * unit + v * top]
    else:
        planes = [unit * (16 + 219 * y), unit * (128 + 224 * u), unit * (128 + 224 * v)]
    if "422" in pix_fmt:
        planes[1:] = [plane[:, ::2] for plane in planes[1:]]
    elif "444" not in pix_fmt:
        planes[1:] = [plane[::2, ::2] for plane in planes[1:]]
    if pix_fmt == "nv12":
        planes[1:] = [np.stack(planes[1:], -1).reshape(planes[1].shape[0], -1)]
    frame = av.VideoFrame(image.shape[1], image.shape[0], pix_fmt)
    for target, plane in zip(frame.planes, planes, strict=True):
        fill(target, np.clip(np.round(plane), 0, 256 * unit - 1).astype(np.uint16 if unit > 1 else np.uint8))
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    return frame


def fill(plane: av.video.plane.VideoPlane, pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> None:
    rows = np.frombuffer(memoryview(plane), np.uint8).view(pixels.dtype).reshape(plane.height, -1)
    rows[:, : pixels.shape[1]] = pixels


def shown(planes: Planes) -> Array:
    """What a player shows of a coded frame: BT.601, limited range."""
    wide = np.ones((2, 2))
    y = (planes[0].astype(np.float64) - 16) / 219
    u, v = (np.kron((plane.astype(np.float64) - 128) / 224, wide) for plane in planes[1:])
    red, blue = WEIGHTS[6]
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    return np.asarray(np.clip(np.stack([r, (y - red * r - blue * b) / (1 - red - blue), b], -1), 0, 1))


def worst_difference(image: Array, planes: Planes) -> float:
    """The largest one in the middle of the patches, in 1/255."""
    middles = np.s_[16::32, 16::32]
    return float(np.abs(shown(planes)[middles] - image[middles]).max() * 255)


def grey_frame(luma: npt.NDArray[np.uint8], pix_fmt: str = "yuv420p") -> av.VideoFrame:
    height, width = luma.shape
    frame = av.VideoFrame(width, height, pix_fmt)
    fill(frame.planes[0], luma)
    for plane in frame.planes[1:]:
        fill(plane, np.full((plane.height, plane.width), 128, np.uint8))
    return frame


def numbered(number: int, size: tuple[int, int] = (96, 64)) -> av.VideoFrame:
    """A frame that is uniformly 20 + 4 * number bright."""
    return grey_frame(np.full(size[::-1], 20 + 4 * number, np.uint8))


def number_of(planes: Planes) -> int:
    return round((float(np.median(planes[0])) - 20) / 4)


def write(
    path: Path,
    frames: Iterable[av.VideoFrame],
    times_ms: Sequence[int] | None = None,
    *,
    codec: str = "ffv1",
    rate: int = 25,
    options: dict[str, str] | None = None,
    **tags: object,
) -> Path:
    """A video of these frames, lossless by default; `times_ms`: of each frame, instead of the even `rate`.

    `tags`: attributes of the encoder, such as color_range."""
    frames = list(frames)
    if options is None:
        options = {"ffv1": {"g": "1"}, "libx264": {"qp": "0", "preset": "ultrafast"}}.get(codec, {})
    base = Fraction(1, rate) if times_ms is None else Fraction(1, 1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        stream.codec_context.time_base = base
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number if times_ms is None else times_ms[number], base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def with_matrix(path: Path, matrix: Sequence[int]) -> Path:
    """Overwrite the display matrix in the track header of an MP4 (a, b, c, d, x, y in pixels)."""
    a, b, c, d, x, y = matrix
    data = path.read_bytes()
    upright = np.array([ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30], ">i4").tobytes()
    turned = np.array([a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, x * ONE, y * ONE, 1 << 30], ">i4").tobytes()
    at = data.index(upright, data.index(b"tkhd"))
    path.write_bytes(data[:at] + turned + data[at + len(upright) :])
    return path


def add_tone(path: Path, out: Path, seconds: float, codec: str = "aac", rate: int = 48_000) -> Path:
    """A copy of a video with a tone beside it."""
    with av.open(str(path)) as source, av.open(str(out), "w") as container:
        film = container.add_stream_from_template(source.streams.video[0])
        sound = container.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(sound, av.AudioStream)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = film
                container.mux(packet)
        for begin in range(0, round(seconds * rate), 1024):
            tone = np.sin(np.arange(begin, begin + 1024) * 2 * np.pi * 440 / rate).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return out
