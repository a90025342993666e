"""Coded video in a file: the .grc container, and coding whole files."""
