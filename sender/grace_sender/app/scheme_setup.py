"""Prepares aiortc for the scheme of a call: the plug-in with a calibration of the encoder, or nothing at all."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Final

from grace_codec.media import planes_of, video_frame
from grace_codec.schemes import SCHEMES, live_scheme
from grace_codec.types import Frame, Planes
from grace_sender.app.config import SendConfig
from grace_sender.app.sources import Source
from grace_sender.live.adaptation import EncoderSpeed, OperatingPoint, OperatingPointChanged
from grace_sender.live.calibration import calibrate, calibration_size
from grace_transport.aiortc_plugin import LiveEvent, RtcOptions, install, uninstall
from grace_transport.runtime.process import Notice, monotonic_us
from grace_transport.runtime.settings import PLAIN_SCHEMES

PREVIEW: Final = 6
Observer = Callable[[LiveEvent | Notice | OperatingPointChanged], None]


async def install_plugin(config: SendConfig, source: Source, observer: Observer) -> AbstractContextManager[object]:
    """Make aiortc ready to send `source`; leaving the context takes the plug-in out again.

    Raises ValueError and what the codec or the plug-in raise where the scheme cannot be sent with here."""
    if config.plain:
        _tell_plain(config, source, observer)
        return ExitStack()
    try:
        live_scheme(config.scheme)
    except ValueError as error:
        raise ValueError(f"{error}, or {' or '.join(PLAIN_SCHEMES)} (aiortc's own)") from error
    speed = await _speed(config, source, observer)
    install(
        RtcOptions(
            scheme=config.scheme,
            controller=config.cc,
            start_bps=config.start_bitrate,
            min_bps=config.min_bitrate,
            max_bps=config.max_bitrate,
            max_fps=min(240.0, max(1.0, config.fps or source.peak_fps)),
            adapt=config.adapt,
            measured=None if speed is None else (speed.encode_us, speed.pixels),
            observer=observer,
        )
    )
    context = ExitStack()
    context.callback(uninstall)
    return context


def _tell_plain(config: SendConfig, source: Source, observer: Observer) -> None:
    at_us = monotonic_us()
    if {"start_bitrate", "min_bitrate", "max_bitrate", "cc"} & config.model_fields_set:
        observer(Notice(at_us, f"{config.scheme}: aiortc's own rate control; bitrates and --cc are not used", True))
    point = OperatingPoint(source.width, source.height, config.fps or source.fps)
    observer(OperatingPointChanged(at_us, point, f"{config.scheme}, as captured: {point}"))


async def _speed(config: SendConfig, source: Source, observer: Observer) -> EncoderSpeed | None:
    """Measure the encoder with the source's own frames. None where the scheme codes no pixels, or nothing adapts."""
    if not SCHEMES[config.scheme].pixels or not config.adapt:
        return None
    speed, warned = await asyncio.to_thread(_calibrate, config.scheme, source)
    for text in warned:  # a slower backend, say
        observer(Notice(monotonic_us(), text, warning=True))
    per_frame_ms = speed.us_per_pixel * source.width * source.height / 1000
    text = f"a frame of {source.width}x{source.height} takes about {per_frame_ms:.0f} ms to encode here"
    observer(Notice(monotonic_us(), text))
    return speed


def _calibrate(scheme: str, source: Source) -> tuple[EncoderSpeed, list[str]]:
    """The speed, and what the codec warned of."""
    preview = [_small(planes) for planes in source.preview(PREVIEW)]
    if not preview:
        raise ValueError(f"{source.name}: no frame to measure with")

    def frame(number: int) -> Frame:
        return Frame(number, number * 40_000, *preview[number % len(preview)])

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        warnings.simplefilter("always", UserWarning)
        speed = calibrate(live_scheme(scheme).make(), frame)
    return speed, [str(warning.message) for warning in caught]


def _small(planes: Planes) -> Planes:
    height, width = planes[0].shape
    size = calibration_size((width, height))
    if size == (width, height):
        return planes
    return planes_of(video_frame(planes).reformat(*size, format="yuv420p"))
