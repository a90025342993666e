"""Quality of frame sizes and frame rates at low bitrates: the table behind `live.adaptation`, printed as Markdown.

By hand: `OMP_NUM_THREADS=1 python -m tests.sender.live.measure_operating_points CLIP...`. Two seconds of each clip are
coded without loss, a key frame of four frame intervals first. What counts is the second of the two seconds as it is
displayed: each frame stays until the next one, scaled back to full size, beside the source at 25 fps."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import product
from typing import Final

import cv2
import numpy as np

from grace_codec.evaluation.quality import ssim_db
from grace_codec.grace.reference import planes_of
from grace_codec.media.clip import ClipOptions, open_clip
from grace_codec.schemes import live_scheme
from grace_codec.types import Budget, Frame, Plane
from grace_sender.session import PACKET_OVERHEAD_BYTES

FPS: Final = 25
FRAMES: Final = 50
FULL: Final = (640, 360)
SIZES: Final = (FULL, (480, 270), (320, 180))
HELD: Final = (1, 2, 3)  # displayed frames per coded one: 25, 12.5 and 8.3 fps
KBPS: Final = (50, 100, 200, 400)
KEY_FRAME_INTERVALS: Final = 4
MAX_PAYLOAD_BYTES: Final = 1150
MIN_FRAME_BYTES: Final = 200


def resized(plane: Plane, size: tuple[int, int]) -> Plane:
    """The plane at (width, height): averaged down, bicubic up."""
    if (plane.shape[1], plane.shape[0]) == size:
        return plane
    how = cv2.INTER_AREA if size[0] < plane.shape[1] else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(plane, size, interpolation=how), np.uint8)


def scaled(frame: Frame, size: tuple[int, int]) -> Frame:
    """The frame at (width, height), both even."""
    half = (size[0] // 2, size[1] // 2)
    planes = resized(frame.y, size), resized(frame.u, half), resized(frame.v, half)
    return Frame(frame.frame_id, frame.captured_us, *planes)


def quality(source: Sequence[Frame], size: tuple[int, int], held: int, kbps: int) -> float:
    """Mean SSIM in dB over the last second of display. The encoder's reference is what a decoder shows.

    A new codec each time: an encoder remembers the motion price and the rate ratio of its last frames."""
    frame_bytes = kbps * 125 * held // FPS
    packets = -(-frame_bytes // (MAX_PAYLOAD_BYTES + PACKET_OVERHEAD_BYTES))
    budget = max(MIN_FRAME_BYTES, frame_bytes - packets * PACKET_OVERHEAD_BYTES)
    codec, reference = live_scheme("grace-lite").make(), None
    shown, seen = source[0].y, list[float]()
    for index, frame in enumerate(source):
        if index % held == 0:
            allowed = Budget(budget * (1 if index else KEY_FRAME_INTERVALS), MAX_PAYLOAD_BYTES, min_payloads=1)
            reference = codec.encode(scaled(frame, size), reference, allowed).reference
            shown = resized(planes_of(reference)[0], FULL)
        if index >= FRAMES - FPS:
            seen.append(ssim_db(frame.y, shown))
    return sum(seen) / len(seen)


def main(clips: Sequence[str]) -> None:
    """One row per size and frame rate of each clip."""
    print("| clip | | " + " | ".join(f"{kbps} kbit/s" for kbps in KBPS) + " |\n|---|---|" + "---|" * len(KBPS))
    for name in clips:
        with open_clip(name, ClipOptions(size=FULL, fps=FPS)) as clip:
            source = list(clip.play(FRAMES))
        for size, held in product(SIZES, HELD):
            row = [f"{quality(source, size, held, kbps):.1f}" for kbps in KBPS]
            label = f"{size[0]}x{size[1]} at {FPS / held:.3g} fps"
            print(f"| {name.rsplit('/', 1)[-1]} | {label} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
