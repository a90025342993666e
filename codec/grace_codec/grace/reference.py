"""The reference of GRACE: the planes that a decoder shows, which the next frame is predicted from."""

from __future__ import annotations

from dataclasses import dataclass

from grace_codec.types import Planes, Reference


@dataclass(frozen=True, slots=True)
class GraceReference:
    """A decoded frame as a reference. planes: luma (H, W), chroma (H/2, W/2), read-only."""

    planes: Planes


def planes_of(reference: Reference) -> Planes:
    """The planes of a reference that this codec made. Raises ValueError for any other object."""
    if not isinstance(reference, GraceReference):
        raise ValueError(f"a {type(reference).__name__} is no reference of this codec")
    return reference.planes


def frozen(planes: Planes) -> Planes:
    """The same arrays, made read-only: references are shared between frames."""
    for plane in planes:
        plane.flags.writeable = False
    return planes
