"""The networks and what wraps them into numpy: analyse, quantize, reconstruct, replay."""
