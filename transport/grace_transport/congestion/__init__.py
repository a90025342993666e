"""Congestion controllers: one file each, one row in CONTROLLERS.

To add one: a class with the methods of `controller.CongestionController` in a file here, a factory and a row below.
The contract tests (`tests/transport/congestion/test_contract.py`) then run over it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Protocol, cast

from grace_transport.congestion.controller import CongestionController
from grace_transport.congestion.fixed import Fixed
from grace_transport.congestion.gcc.control import Gcc
from grace_transport.congestion.responsive import Responsive
from grace_transport.congestion.salsify import Salsify

DEFAULT_CONTROLLER = "gcc"
DEFAULT_LOSS_CONTROL = "tolerant"  # v1 and v2 starve a loss-tolerant codec on a lossy link: docs/congestion.md


class ControllerFactory(Protocol):
    """Makes a controller. `loss_control` None: the row's own; controllers without loss control ignore it."""

    def __call__(
        self, *, start_bps: int, min_bps: int, max_bps: int, loss_control: str | None = None
    ) -> CongestionController: ...


def _gcc(*, start_bps: int, min_bps: int, max_bps: int, loss_control: str | None = None) -> CongestionController:
    return Gcc(
        start_bps=start_bps,
        min_bps=min_bps,
        max_bps=max_bps,
        loss_control=loss_control or DEFAULT_LOSS_CONTROL,
        recovery=True,
    )


def _libwebrtc(
    own_loss_control: str, *, start_bps: int, min_bps: int, max_bps: int, loss_control: str | None = None
) -> CongestionController:
    """The strict reference: nothing of recovery.py."""
    return Gcc(start_bps=start_bps, min_bps=min_bps, max_bps=max_bps, loss_control=loss_control or own_loss_control)


def _responsive(*, start_bps: int, min_bps: int, max_bps: int, loss_control: str | None = None) -> CongestionController:
    return Responsive(start_bps=start_bps, min_bps=min_bps, max_bps=max_bps)


def _salsify(*, start_bps: int, min_bps: int, max_bps: int, loss_control: str | None = None) -> CongestionController:
    return Salsify(start_bps=start_bps, min_bps=min_bps, max_bps=max_bps)


def _fixed(*, start_bps: int, min_bps: int, max_bps: int, loss_control: str | None = None) -> CongestionController:
    return Fixed(start_bps=start_bps, min_bps=min_bps, max_bps=max_bps)


CONTROLLERS: Mapping[str, ControllerFactory] = {
    "gcc": _gcc,
    "gcc-libwebrtc": partial(_libwebrtc, "v2"),
    "gcc-v1": partial(_libwebrtc, "v1"),
    "gcc-tolerant": partial(_libwebrtc, "tolerant"),
    "gcc-off": partial(_libwebrtc, "off"),
    "responsive": _responsive,
    "salsify": _salsify,
    "fixed": _fixed,
}


def find_controller(name: str) -> ControllerFactory:
    """The factory called `name`, or `package.module:Object` of someone else's. Raises ValueError if there is none."""
    if name in CONTROLLERS:
        return CONTROLLERS[name]
    module_name, _, attribute = name.partition(":")
    if not attribute:
        known = ", ".join(CONTROLLERS)
        raise ValueError(f"no congestion controller is called {name!r}: use {known}, or package.module:Object")
    try:
        return cast(ControllerFactory, getattr(import_module(module_name), attribute))
    except (ImportError, AttributeError) as error:
        raise ValueError(f"congestion controller {name!r} cannot be loaded: {error}") from error
