"""The receiving end of a call: assemble, decode, play."""
