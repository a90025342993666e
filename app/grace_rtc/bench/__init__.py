"""Measures the link and a whole call on this machine."""
