"""Wire formats: bytes <-> dataclasses, nothing else."""
