"""The GRACE packet codec: P-frames, key frames, intra refresh, rate control and payloads."""
