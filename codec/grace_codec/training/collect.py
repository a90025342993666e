"""Latents of clips for fitting a profile's tables: closed loop, several rate levels. Owns the choice of frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from grace_codec.entropy.latents import Latents, complete
from grace_codec.errors import ClipError
from grace_codec.grace.av1_still import decode_still, encode_still
from grace_codec.media import ClipOptions, open_video
from grace_codec.models.api import VideoModel
from grace_codec.models.quantizer import FrameQuantizer
from grace_codec.types import Planes

FRACTIONS = (0.12, 0.3, 0.48, 0.66, 0.84)  # of the range of levels: 64 down to about 3 in steps
SKIPPED = 2  # frames after a key frame, which are not typical of a long call


def collect(model: VideoModel, clips: Iterable[Sequence[Planes]], per_clip: int = 2) -> Iterator[Latents]:
    """Of every clip, at `per_clip` levels in turn, every other P-frame after the first ones."""
    levels = [round(f * (model.profile.trained_levels - 1)) for f in FRACTIONS]
    for number, clip in enumerate(clips):
        for turn in range(per_clip):
            yield from _closed_loop(model, clip, levels[(number * per_clip + turn) % len(levels)])


def short_clips(files: Iterable[Path], size: tuple[int, int] | None, frames: int = 9) -> Iterator[list[Planes]]:
    """The first frames of every file; files that cannot be read, or are shorter than five frames, are passed over."""
    for file in files:
        try:
            with open_video(file, ClipOptions(size=size)) as video:
                clip = [frame.planes for frame in islice(video.frames(), frames)]
        except ClipError:
            continue
        if len(clip) >= 5:
            yield clip


def _closed_loop(model: VideoModel, clip: Sequence[Planes], level: int) -> Iterator[Latents]:
    height, width = clip[0][0].shape
    crf = max(8, round(46 - 0.36 * level))
    reference = decode_still(encode_still(clip[0], crf), width, height)
    assert reference is not None
    for index, planes in enumerate(clip[1:]):
        analysis = model.analyse(planes, reference)
        quantizer = FrameQuantizer(analysis.residual, model.steps, model.profile.luma_frequencies, level)
        latents = quantizer.latents(analysis.motion, level)
        if index >= SKIPPED and index % 2 == 0:
            yield latents
        reference = model.reconstruct(reference, complete(latents)).planes
