"""Capacity traces: formats, conversions, statistics, generation."""
