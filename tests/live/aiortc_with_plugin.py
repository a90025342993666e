"""A pytest plug-in (`-p aiortc_with_plugin`): all tests run with GRACE installed, codec GRACE_SCHEME."""

from __future__ import annotations

import os

import pytest

from grace_transport import aiortc_plugin as rtc


def pytest_configure(config: pytest.Config) -> None:
    rtc.install(rtc.RtcOptions(scheme=os.environ.get("GRACE_SCHEME", "stub")))


def pytest_report_header(config: pytest.Config) -> str:
    return f"GRACE: installed={rtc.installed()}, {rtc.capability().parameters}"


def pytest_unconfigure(config: pytest.Config) -> None:
    rtc.uninstall()
