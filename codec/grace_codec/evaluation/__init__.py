"""Measurements of codecs: quality metrics, rate-distortion curves, losses, speed."""
