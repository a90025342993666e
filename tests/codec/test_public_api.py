"""The public names of grace_codec: which there are, and that importing it imports no heavy dependency."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

PUBLIC = {
    "grace_codec": {
        "BackendError",
        "BitstreamError",
        "Budget",
        "ClipError",
        "ClipOptions",
        "CodecError",
        "CodedFrame",
        "Decoded",
        "Frame",
        "GraceCodec",
        "LiveScheme",
        "LossResponse",
        "ModelError",
        "PROFILES",
        "PacketCodec",
        "PatchPolicy",
        "Plane",
        "ReceivedFrame",
        "Reference",
        "SCHEMES",
        "Scheme",
        "StreamReader",
        "StreamWriter",
        "VideoClip",
        "live_scheme",
        "open_clip",
    },
    "grace_codec.evaluation": {
        "Bursts",
        "CodecSpeed",
        "Complexity",
        "Evaluation",
        "Point",
        "Request",
        "bd_rate",
        "complexity",
        "evaluate",
        "evaluate_levels",
        "measure_codec",
        "psnr_db",
        "ssim",
        "ssim_db",
        "ssim_to_db",
        "write_chart",
    },
}
HEAVY = ("torch", "numba", "cv2", "av", "openvino", "constriction", "safetensors")


@pytest.mark.parametrize("package", list(PUBLIC))
def test_public_names_are_these_and_each_can_be_had(package: str) -> None:
    module = importlib.import_module(package)
    assert set(module.__all__) == PUBLIC[package]
    for name in module.__all__:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("package", list(PUBLIC))
def test_what_is_not_public_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        importlib.import_module(package).nothing  # noqa: B018


@pytest.mark.parametrize("package", list(PUBLIC))
def test_import_takes_no_heavy_package(package: str) -> None:
    program = f"import sys, {package}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
