"""The live driver of the receiving session: decoding on a thread, statistics."""
