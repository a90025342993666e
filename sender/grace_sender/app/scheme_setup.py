"""Prepares aiortc for the scheme of a call: the plug-in with what a start measurement says, or nothing at all."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Final

from grace_codec.media.video_file import planes_of
from grace_codec.schemes import SCHEMES, live_scheme
from grace_codec.types import Frame, Planes
from grace_sender.app.config import PLAIN_SCHEMES, SendConfig
from grace_sender.app.sources import Source, video_frame
from grace_sender.live.adaptation import Adaptation, OperatingPoint, OperatingPointChanged
from grace_sender.live.calibration import Measurement, measure_encoder
from grace_transport.aiortc_plugin import RtcOptions, install, uninstall
from grace_transport.runtime.process import Notice, monotonic_us

PREVIEW: Final = 6
MEASURED_SIZE: Final = (640, 480)
Observer = Callable[[object], None]


async def install_plugin(config: SendConfig, source: Source, observer: Observer) -> AbstractContextManager[object]:
    """Make aiortc ready to send `source`; leaving the context takes the plug-in out again.

    Raises ValueError and what the codec or the plug-in raise where the scheme cannot be sent with here."""
    if config.plain:
        at_us = monotonic_us()
        if {"start_bitrate", "min_bitrate", "max_bitrate", "cc"} & config.model_fields_set:
            observer(Notice(at_us, f"{config.scheme}: aiortc's own rate control; bitrates and --cc are not used", True))
        point = OperatingPoint(source.width, source.height, config.fps or source.fps)
        observer(OperatingPointChanged(at_us, point, f"{config.scheme}, as captured: {point}"))
        return ExitStack()
    try:
        live_scheme(config.scheme)
    except ValueError as error:
        raise ValueError(f"{error}, or {' or '.join(PLAIN_SCHEMES)} (aiortc's own)") from error
    measured = await _measure(config, source, observer)
    install(
        RtcOptions(
            scheme=config.scheme,
            controller=config.cc,
            start_bps=config.start_bitrate,
            min_bps=config.min_bitrate,
            max_bps=config.max_bitrate,
            max_fps=min(240.0, max(1.0, config.fps or source.fps)),
            adapt=config.adapt,
            measured=None if measured is None else (measured.encode_us, measured.pixels),
            observer=observer,
        )
    )
    context = ExitStack()
    context.callback(uninstall)
    return context


async def _measure(config: SendConfig, source: Source, observer: Observer) -> Measurement | None:
    """None where the scheme codes no pixels, or nothing is to adapt."""
    if not SCHEMES[config.scheme].pixels or not config.adapt:
        return None
    measured, warned = await asyncio.to_thread(_encode_some, config.scheme, source)
    for text in warned:  # a slower backend, say
        observer(Notice(monotonic_us(), text, warning=True))
    top = OperatingPoint(source.width, source.height, config.fps or source.fps)
    point = Adaptation(top).start(measured.encode_us, measured.pixels, monotonic_us())
    per_frame = measured.encode_us * top.pixels / measured.pixels / 1000
    text = f"a frame of {top.width}x{top.height} takes about {per_frame:.0f} ms to encode here"
    if point == top:
        observer(Notice(monotonic_us(), f"{text}: sending {point}"))
    else:
        observer(
            Notice(monotonic_us(), f"{text}, {top.fps:g} fps leave {1000 / top.fps:.0f}: sending {point}", warning=True)
        )
    return measured


def _encode_some(scheme: str, source: Source) -> tuple[Measurement, list[str]]:
    """The measurement, and what the codec warned of."""
    pictures = [_small(planes) for planes in source.preview(PREVIEW)]
    if not pictures:
        raise ValueError(f"{source.name}: no picture to measure with")

    def frame(number: int) -> Frame:
        return Frame(number, number * 40_000, *pictures[number % len(pictures)])

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        warnings.simplefilter("always", UserWarning)
        measured = measure_encoder(live_scheme(scheme).make(), frame)
    return measured, [str(warning.message) for warning in caught]


def _small(planes: Planes) -> Planes:
    """At most MEASURED_SIZE, the aspect ratio kept: large pictures would make the measurement long."""
    height, width = planes[0].shape
    scale = min(1.0, MEASURED_SIZE[0] / width, MEASURED_SIZE[1] / height)
    if scale == 1.0:
        return planes
    size = max(64, round(width * scale / 2) * 2), max(64, round(height * scale / 2) * 2)
    return planes_of(video_frame(planes).reformat(*size, format="yuv420p"))
