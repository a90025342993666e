"""Laws of a call's inputs and command lines: the clip and the network as files, and every setting in some command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grace_codec.media import ClipOptions, open_clip
from grace_netsim.trace.files import load_rates
from grace_rtc.demo.call import CallFiles, make_clip, netsim_command, receive_command, send_command, write_network
from grace_rtc.demo.settings import DemoSettings

pytest.importorskip("av")
pytest.importorskip("cv2")


def test_network_is_the_trace_times_its_scale(tmp_path: Path) -> None:
    write_network("lte-3", 0.25, tmp_path / "new" / "network.rates")
    scaled, whole = load_rates(str(tmp_path / "new" / "network.rates")), load_rates("lte-3")
    assert len(scaled.rates_bps) == whole.duration_us // 100_000
    assert scaled.rates_bps[7] == pytest.approx(whole.rate_at(700_000) / 4, abs=1)


def test_commands_name_every_setting(tmp_path: Path) -> None:
    asked = DemoSettings(out=tmp_path, trace="lte-1", scale=0.5, owd_ms=50, queue_packets=60, seed=7)
    files = CallFiles(tmp_path)
    network = netsim_command(asked, 8080, "http://127.0.0.1:8081", files)
    assert network[0] == "netsim"
    assert {str(tmp_path / "network.rates"), "50", "30", "7", "http://127.0.0.1:8081"} <= set(network)
    assert receive_command("h264", 8081, files)[0] == "receive"
    assert send_command(asked, "h264", "http://127.0.0.1:8080", files)[0] == "send"


def test_clip_file_holds_the_very_frames(tmp_path: Path) -> None:
    make_clip("builtin:pan", tmp_path / "new" / "clip.mkv", (64, 64), 12.5, 5)
    options = ClipOptions(size=(64, 64), fps=12.5)
    with open_clip(tmp_path / "new" / "clip.mkv") as clip, open_clip("builtin:pan", options) as original:
        assert (clip.count(), clip.fps) == (5, 12.5)
        for index in range(5):
            for plane, wanted in zip(clip.picture(index), original.picture(index), strict=True):
                assert np.array_equal(plane, wanted)
