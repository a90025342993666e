"""Video that is drawn, not filmed: scenes with texture, sub-pixel motion and sensor noise, for tests and demos."""

from __future__ import annotations

from grace_codec.media.synthetic.scenes import SCENES

__all__ = ["SCENES"]
