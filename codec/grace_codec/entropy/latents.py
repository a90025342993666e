"""What stands between the networks and the packets: integer latents in, integer latents with gaps out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Symbols = npt.NDArray[np.int16]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Latents:
    """A coded P-frame before packetization: quantized motion and residual, and the rate level they were quantized at.

    motion: (Cm, Hm, Wm); residual: (Cr, Hr, Wr); both int16."""

    motion: Symbols
    residual: Symbols
    level: int


@dataclass(frozen=True, slots=True)
class ReceivedLatents:
    """Latents as they came out of the packets that arrived: missing elements are zero and False in the masks."""

    motion: Symbols
    residual: Symbols
    motion_mask: Mask
    residual_mask: Mask
    level: int


def complete(latents: Latents) -> ReceivedLatents:
    """Latents of which nothing was lost."""
    masks = np.ones(latents.motion.shape, np.bool_), np.ones(latents.residual.shape, np.bool_)
    return ReceivedLatents(latents.motion, latents.residual, *masks, latents.level)
