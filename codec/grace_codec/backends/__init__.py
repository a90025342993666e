"""Runtimes for the networks, by name. Each is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from grace_codec.errors import BackendError
from grace_codec.models.networks import Floats, LoadNetworks, Networks

__all__ = ["BACKENDS", "Networks", "load_networks"]

# name: (module with a `load` function, the extra that brings it)
BACKENDS: dict[str, tuple[str, str]] = {
    "native": ("grace_codec.backends.native", "codec"),
    "openvino": ("grace_codec.backends.openvino", "codec"),
    "torch": ("grace_codec.backends.torch", "torch"),
}


def load_networks(name: str, weights: Mapping[str, Floats]) -> Networks:
    """The networks with these weights in backend `name`, or BackendError with what to do."""
    if name not in BACKENDS:
        raise BackendError(f"unknown backend {name!r}; there are {', '.join(BACKENDS)}")
    module, extra = BACKENDS[name]
    try:
        load: LoadNetworks = importlib.import_module(module).load
    except ImportError as error:
        raise BackendError(f"backend {name!r} needs `pip install grace-rtc[{extra}]` ({error})") from error
    return load(weights)
