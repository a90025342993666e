"""The `grace-rtc` commands, one module each. Heavy imports stay inside the functions."""
