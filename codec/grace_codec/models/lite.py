"""grace-lite at run time: classical motion, networks behind a backend, everything else numpy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from grace_codec.entropy.latents import Latents, ReceivedLatents
from grace_codec.models import pixels
from grace_codec.models import transform as tf
from grace_codec.models.api import Analysis, Floats, Profile, Reconstruction
from grace_codec.models.levels import LevelTables
from grace_codec.models.networks import Networks
from grace_codec.motion.compensation import ReferenceFrame
from grace_codec.motion.concealment import fill_gaps
from grace_codec.motion.field import LEAST_BIT_PRICE, MAX_VECTOR, Motion
from grace_codec.motion.search import FindMotion, MotionSearch
from grace_codec.types import Plane, Planes


class LiteModel:
    """The VideoModel of grace-lite and its ablations."""

    def __init__(
        self,
        profile: Profile,
        weights: Mapping[str, Floats],
        networks: Networks,
        search: FindMotion | None = None,
    ) -> None:
        """weights: by name, as in lite_net.LiteNet's state; networks: the same weights in a backend; search: a motion
        search of its own, None for the default."""
        self.profile = profile
        self._networks = networks
        self._levels = LevelTables(weights)
        self._search: FindMotion = search or MotionSearch()
        self._reference_frame: ReferenceFrame | None = None
        self._prediction: tuple[ReferenceFrame, bytes, Planes] | None = None

    def analyse(self, frame: Planes, reference: Planes, bit_price: float = LEAST_BIT_PRICE) -> Analysis:
        """Raises ValueError where the sizes differ."""
        if frame[0].shape != reference[0].shape:
            raise ValueError(f"frame is {frame[0].shape}, its reference {reference[0].shape}")
        motion = self._search(frame[0], self._reference(reference), bit_price)
        py, pu, pv = self._predict(reference, motion)
        y, u, v = pixels.pad(frame)
        latents = self._networks.analyse(
            y[None, None], np.stack([u, v])[None], py[None, None], np.stack([pu, pv])[None]
        )
        return Analysis(motion, np.nan_to_num(latents[0]))

    def steps(self, level: int) -> Floats:
        return self._levels.steps(level)

    def quantize(self, analysis: Analysis, level: int) -> Latents:
        return Latents(analysis.motion, self._levels.quantize(analysis.residual, level), level)

    def reconstruct(self, reference: Planes, received: ReceivedLatents) -> Reconstruction:
        motion = self._motion(received)
        py, pu, pv = self._predict(reference, motion)
        height, width = reference[0].shape
        if not received.residual.any():
            return Reconstruction(pixels.crop((py, pu, pv), height, width), motion)
        y, uv = self._networks.synthesise(
            received.residual[None], lost_flags(received), self._levels.rows(received.level), *_tensors((py, pu, pv))
        )
        return Reconstruction(pixels.crop((y[0, 0], uv[0, 0], uv[0, 1]), height, width), motion)

    def replay(self, reference: Planes, received: ReceivedLatents) -> Planes:
        prediction = ReferenceFrame(reference).compensate(self._motion(received))
        height, width = reference[0].shape
        return self._levels.apply(prediction, received.residual, received.level, (height, width))

    def _reference(self, planes: Planes) -> ReferenceFrame:
        """The reference as motion compensation sees it, kept while the same planes are predicted from."""
        if self._reference_frame is None or any(
            a is not b for a, b in zip(self._reference_frame.planes, planes, strict=True)
        ):
            self._reference_frame = ReferenceFrame(planes)
        return self._reference_frame

    def _predict(self, reference: Planes, motion: Motion) -> Planes:
        frame, key = self._reference(reference), motion.tobytes()
        if self._prediction is None or self._prediction[0] is not frame or self._prediction[1] != key:
            self._prediction = frame, key, frame.compensate(motion)
        return self._prediction[2]

    @staticmethod
    def _motion(received: ReceivedLatents) -> Motion:
        known = received.motion_mask[0] & received.motion_mask[1]
        motion = received.motion if known.all() else fill_gaps(received.motion, known)
        return motion.clip(-MAX_VECTOR, MAX_VECTOR).astype(np.int16)


def lost_flags(received: ReceivedLatents) -> npt.NDArray[np.uint8]:
    """(1, LOST_FLAGS, H16, W16): 1 where a low luma frequency, or the vector, did not arrive."""
    low = received.residual_mask[: 4 * tf.LOST_FREQUENCIES]
    return (~np.concatenate([low, received.motion_mask[:1]])).astype(np.uint8)[None]


def _tensors(planes: Planes) -> tuple[Plane, Plane]:
    """y (1, 1, H, W), uv (1, 2, H/2, W/2)"""
    y, u, v = planes
    return y[None, None], np.stack([u, v])[None]
