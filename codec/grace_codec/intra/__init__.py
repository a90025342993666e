"""Intra coding: key frames, and the small patches that refresh a picture bit by bit (paper B.2)."""
