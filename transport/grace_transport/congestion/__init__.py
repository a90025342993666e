"""Congestion controllers: one file each, one row in CONTROLLERS."""
