"""Rate control: which rate level makes a P-frame fit its byte budget. Decides by estimates alone; quantization is in
models/quantizer.py, and the encode loop (p_frame.py) tells what frames really took.

The estimate of a frame's size is a ratio times the ideal code length of its residual plus a guess for its motion, plus
a constant per packet. The ratio follows what the entropy coder really needed.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from grace_codec.grace.packing import packets_for
from grace_codec.models.quantizer import NOT_RAISED, RaisedDeadZone
from grace_codec.motion.field import LEAST_BIT_PRICE
from grace_codec.types import Budget

# Relative dead-zone increases tried between two adjacent levels, whose steps are 3 % and whose sizes up to 25 % apart.
DEAD_ZONE_INCREASES = (0.01, 0.02, 0.03)
FILL_LOW, FILL_HIGH, FILL_AIM = 0.9, 1.04, 0.98  # parts of the budget: below is too little, above too much, the aim
LOOK_AHEAD_LEVELS = 16  # how much finer than the last frame's level a frame is prepared for
FIXED_BYTES = 16.0  # of a packet that do not depend on the residual: header, scales
INITIAL_RATIO = 0.9  # of real to ideal code length
MIN_RATIO, MAX_RATIO = 0.2, 3.0


class SizeByLevel(Protocol):
    """What a search needs to know of a frame; `FrameQuantizer` knows it."""

    def bits(self, level: int, dead_zone: RaisedDeadZone = ...) -> float:
        """Ideal code length of the residual at a level."""
        ...


class RateChoice(NamedTuple):
    """A level, and the dead zone to quantize with."""

    level: int
    dead_zone: RaisedDeadZone = NOT_RAISED


class RateControl:
    """Finds levels. State between frames: the last level, and how real sizes relate to ideal ones.

    levels: fine levels of the profile, 0 (coarse) to levels − 1 (fine)."""

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self.level = levels // 2
        self._ratio = INITIAL_RATIO

    def finest(self) -> int:
        """How fine a level to prepare for."""
        return min(self._levels - 1, self.level + LOOK_AHEAD_LEVELS)

    def search(self, frame: SizeByLevel, motion_bytes: float, budget_bytes: float, budget: Budget) -> RateChoice:
        """The finest level whose estimated size stays within `budget_bytes`, or the level after it where that fits with
        a raised dead zone; level 0 where none fits. budget: how payloads are limited."""

        def fits(level: int, dead_zone: RaisedDeadZone = NOT_RAISED) -> bool:
            return self.estimate(frame, level, motion_bytes, budget, dead_zone) <= budget_bytes

        # Away from the last level in steps that double, then halving the interval in which the answer lies.
        low, high, step = self.level, self.level, 2
        if fits(low):
            while high < self._levels - 1 and fits(min(high + step, self._levels - 1)):
                high, step = min(high + step, self._levels - 1), 2 * step
            low, high = high, min(high + step, self._levels)
        else:
            while low > 0 and not fits(low):
                high, low, step = low, max(0, low - step), 2 * step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        if low < self._levels - 1 and fits(low):
            for increase in DEAD_ZONE_INCREASES:
                raised = RaisedDeadZone(low + 1, increase)
                if fits(low + 1, raised):
                    return RateChoice(low + 1, raised)
        return RateChoice(low)

    def estimate(
        self,
        frame: SizeByLevel,
        level: int,
        motion_bytes: float,
        budget: Budget,
        dead_zone: RaisedDeadZone = NOT_RAISED,
    ) -> float:
        """Expected size of the frame's payloads in bytes, without I-patch."""
        size = self._ratio * (frame.bits(level, dead_zone) / 8 + motion_bytes)
        return size + FIXED_BYTES * packets_for(size, budget)

    def learn(self, estimated_bytes: float, actual_bytes: float, packets: int) -> None:
        """Correct the ratio by what a frame really took, in so many packets."""
        fixed_bytes = FIXED_BYTES * packets
        if estimated_bytes > fixed_bytes:
            correction = max(actual_bytes - fixed_bytes, 1.0) / (estimated_bytes - fixed_bytes)
            self._ratio = min(max(self._ratio * correction, MIN_RATIO), MAX_RATIO)


SAD_PER_STEP = 1.6  # price of a bit of motion over the quantization step (measured: 0.4 and 3.2 cost 4 to 13 % of rate)
PRICE_RISE = 3.0  # where a frame does not fit
PRICE_DECAY = 0.8  # from frame to frame
MOST_PRICE_FACTOR = 81.0  # gone 20 frames after the last frame that did not fit


class MotionPrice:
    """What a bit of motion has to save, in sum of absolute differences (SAD).

    In rate-distortion optimisation a bit is worth the same distortion wherever it is spent, so the price of motion
    follows the step of quantization. Where a frame's motion alone does not fit the budget the price rises, and is
    remembered: it decays while frames fit."""

    def __init__(self) -> None:
        self._factor = 1.0

    def sad_per_bit(self, step: float) -> float:
        """The price at a quantization step."""
        return max(LEAST_BIT_PRICE, SAD_PER_STEP * step * self._factor)

    def rise(self) -> bool:
        """A frame did not fit: search again at a higher price. False where the price is as high as it goes."""
        before, self._factor = self._factor, min(self._factor * PRICE_RISE, MOST_PRICE_FACTOR)
        return self._factor > before

    def decay(self) -> None:
        """A frame is coded."""
        self._factor = max(1.0, self._factor * PRICE_DECAY)
