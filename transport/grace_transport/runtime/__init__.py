"""Shared parts of live processes: settings, signals, worker thread, send queue, a clock that survives errors."""
