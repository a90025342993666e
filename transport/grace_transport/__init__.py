"""Payloads to the network and back: wire format, feedback, congestion control, pacing, resync. Knows no pixels."""
