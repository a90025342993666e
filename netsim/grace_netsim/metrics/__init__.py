"""Metrics: pure functions of a session log, one row each in METRICS."""
