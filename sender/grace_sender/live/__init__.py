"""The live driver of the sending session: frames, adaptation, calibration, statistics."""
