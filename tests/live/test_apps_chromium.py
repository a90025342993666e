"""A browser that has no GRACE: it calls, VP8 is what both have, and its pictures are recorded."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest

from .apps import apps, free_port, receiver
from .apps_browser import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--disable-features=WebRtcHideLocalIpsWithMdns", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
async def test_browser_calls_and_its_camera_is_recorded(tmp_path: Path) -> None:
    assert CHROMIUM is not None
    port = free_port()
    there = await asyncio.to_thread(receiver, tmp_path, port, "--scheme", "stub", "--record", "film.mp4", "--once")
    page = Page(f"http://127.0.0.1:{port}")
    address = await page.start()
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", address]
    with apps(there), (tmp_path / "browser.txt").open("wb") as out:
        browser = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            await asyncio.to_thread(there.wait_for, "frame_shown", 20)
        finally:
            browser.terminate()
            await asyncio.to_thread(browser.wait, 30)
            await page.close()
        assert there.end() == 0
    with av.open(str(tmp_path / "film.mp4")) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) >= 15
    # Chromium's fake camera: a green field with a pacman that turns and a clock.
    middle = np.median(pictures[-1].reshape(-1, 3), axis=0)
    assert middle[1] > 100 > max(middle[0], middle[2])
    assert not np.array_equal(pictures[5], pictures[-1])
