"""The sending end of a call: capture, encode, send."""
