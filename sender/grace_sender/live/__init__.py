"""The live driver of the sending session: a track's frames in, RTP out, encoding on a thread of its own."""
