"""The demo: live calls between processes on this machine, and their outcome as videos, stats and a page."""
