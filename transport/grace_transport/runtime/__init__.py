"""What live processes share: settings, signals, worker threads, a clock that survives errors."""
