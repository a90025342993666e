"""Latents of one frame to n independently decodable streams, and back from any of them. Owns the order of what is
coded: scales, motion, residual; refuses to know headers and checksums.
"""

from __future__ import annotations

from collections.abc import Mapping as Streams
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grace_codec.entropy import motion as vectors
from grace_codec.entropy.latents import Latents, ReceivedLatents
from grace_codec.entropy.mapping import mapping
from grace_codec.entropy.residual import Flags, ResidualCoder, ResidualPlanes, Values, layouts, merge, split
from grace_codec.entropy.scales import ScaleChooser, decode_scales, encode_scales
from grace_codec.entropy.symbols import SymbolDecoder, SymbolEncoder, decode_values, encode_values, models, sort_batches
from grace_codec.entropy.tables import Integers, Tables


@dataclass(frozen=True, slots=True)
class Geometry:
    """What both ends know of a P-frame before they see a packet of it: from the reference, the header and the count."""

    height: int  # of the latents: ceil(frame height / 16)
    width: int
    level: int  # fine rate level
    packets: int


def statistics(planes: ResidualPlanes, tables: Tables) -> npt.NDArray[np.float64]:
    """(channels, 3): elements, non-zeros, sum of magnitudes. All that the cost of a channel depends on."""
    rows = []
    for plane, channels in ((planes.luma, tables.luma), (planes.chroma, tables.channels - tables.luma)):
        magnitude = np.abs(plane.reshape(channels, -1))
        count = np.full(channels, magnitude.shape[1])
        rows.append(np.stack([count, np.count_nonzero(magnitude, axis=1), magnitude.sum(1, dtype=np.int64)], 1))
    return np.concatenate(rows).astype(np.float64)


class LatentCoder:
    """Codes frames of one profile. Holds nothing but its tables: frames are independent."""

    def __init__(self, tables: Tables, fine_levels: int) -> None:
        self.tables = tables
        self._fine_levels = fine_levels
        self._chooser = ScaleChooser(tables)
        self._motion = models(tables.motion)
        self._residual = ResidualCoder(tables)

    def base(self, level: int) -> Integers:
        """(channels,) classes that the prior expects at a fine rate level."""
        return self.tables.base_class(level, self._fine_levels)

    def encode(self, latents: Latents, packets: int) -> tuple[bytes, ...]:
        """One stream per packet, `packets` of them. A frame whose motion is zero throughout spends no bit on it; the
        packet header has to say so (see `decode`)."""
        _, height, width = latents.residual.shape
        planes = split(latents.residual, self.tables.luma)
        base = self.base(latents.level)
        scales = self._chooser.choose(statistics(planes, self.tables), base, packets)
        encoders = [SymbolEncoder() for _ in range(packets)]
        for encoder in encoders:
            encode_scales(encoder, self.tables, scales, base)
        if latents.motion.any():
            self._encode_motion(encoders, latents.motion)
        words = self._residual.encode(planes, layouts(self.tables, height, width, packets), scales.classes)
        return tuple(encoder.to_bytes(last) for encoder, last in zip(encoders, words, strict=True))

    def _encode_motion(self, encoders: list[SymbolEncoder], motion: Values) -> None:
        _, height, width = motion.shape
        flat = motion.reshape(2, -1).astype(np.int32)

        def code(
            contexts: Integers, layer: vectors.Layer, component: int, predicted: vectors.Vectors
        ) -> vectors.Vectors:
            true: vectors.Vectors = flat[component, layer.vector]
            encode_values(
                encoders, sort_batches(layer.packet, contexts), (true - predicted).astype(np.int16), self._motion
            )
            return true

        vectors.walk(height, width, len(encoders), code)

    def decode(self, streams: Streams[int, bytes], geometry: Geometry, moving: bool) -> ReceivedLatents:
        """Whatever subset of streams arrived: their elements; zero and False elsewhere. Never raises for their bytes.

        `moving`: whether the frame has motion at all (a bit of the packet header)."""
        decoders = {j: SymbolDecoder(stream) for j, stream in streams.items()}
        received = np.zeros(geometry.packets, np.bool_)
        received[list(streams)] = True
        scales = {j: decode_scales(decoder, self.tables, self.base(geometry.level)) for j, decoder in decoders.items()}
        motion_mask, residual_mask = self._masks(geometry.height, geometry.width, received)
        motion = np.zeros(motion_mask.shape, np.int16)
        if moving and decoders:
            motion = np.where(motion_mask, self._decode_motion(decoders, geometry, received), motion)
        residual = self._decode_residual(decoders, geometry, scales)
        return ReceivedLatents(motion, residual, motion_mask, residual_mask, geometry.level)

    def subset(self, latents: Latents, received: Flags) -> ReceivedLatents:
        """What is left of latents when only the packets marked in `received` (packets,) arrive."""
        _, height, width = latents.residual.shape
        motion_mask, residual_mask = self._masks(height, width, received)
        motion, residual = latents.motion * motion_mask, latents.residual * residual_mask
        return ReceivedLatents(motion, residual, motion_mask, residual_mask, latents.level)

    def _shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(channels, height, width) of the residual."""
        return self.tables.channels + 3 * self.tables.luma, height, width

    def _masks(self, height: int, width: int, received: Flags) -> tuple[Flags, Flags]:
        """(2, H, W) and (C, H, W): which elements travel in the packets marked."""
        if received.all():
            return np.ones((2, height, width), np.bool_), np.ones(self._shape(height, width), np.bool_)
        motion_mask = received[mapping(1, height, width, len(received)).packet()].repeat(2, 0)
        places = layouts(self.tables, height, width, len(received))
        luma, chroma = (received.take(place.mapping.packet()).astype(np.int16).reshape(-1) for place in places)
        return motion_mask, merge(ResidualPlanes(luma, chroma), self.tables.luma, height, width).astype(np.bool_)

    def _decode_motion(self, decoders: dict[int, SymbolDecoder], geometry: Geometry, received: Flags) -> Values:
        def code(
            contexts: Integers, layer: vectors.Layer, component: int, predicted: vectors.Vectors
        ) -> vectors.Vectors:
            mine = np.flatnonzero(received[layer.packet])
            values = predicted.copy()
            values[mine] += decode_values(decoders, sort_batches(layer.packet[mine], contexts[mine]), self._motion)
            return values.astype(np.int16).astype(np.int32)

        return vectors.walk(geometry.height, geometry.width, geometry.packets, code)

    def _decode_residual(
        self, decoders: dict[int, SymbolDecoder], geometry: Geometry, scales: dict[int, Integers]
    ) -> Values:
        places = layouts(self.tables, geometry.height, geometry.width, geometry.packets)
        luma, chroma = (np.zeros(place.mapping.channels * place.area, np.int16) for place in places)
        words = {j: decoder.rest() for j, decoder in decoders.items()}
        self._residual.decode(words, ResidualPlanes(luma, chroma), places, scales)
        return merge(ResidualPlanes(luma, chroma), self.tables.luma, geometry.height, geometry.width)
