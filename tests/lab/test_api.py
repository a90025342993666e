"""The public interface of the lab: its names, their documentation, what importing it costs, and its example."""

import inspect
import subprocess
import sys
import textwrap

import pytest

import grace_lab

NAMES = """
    CallConfig CallRequest ComputeCost Event Lab LabError LogError LogWriter METRICS Metric ProcessLogs ReportError
    SCHEMA SessionLog call_matrix measure merge read_log run_all run_call simulate write_log write_report
"""
HEAVY = ("aiohttp", "aiortc", "av", "cv2", "jinja2", "numba", "numpy", "openvino", "plotly", "pydantic", "torch")


def test_exported_names_are_these() -> None:
    assert sorted(grace_lab.__all__) == sorted(NAMES.split())


def test_every_exported_name_exists_and_is_documented() -> None:
    names = {name: getattr(grace_lab, name) for name in grace_lab.__all__}
    assert [name for name, exported in names.items() if not inspect.getdoc(exported)] == []


def test_other_names_are_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(grace_lab, "nothing")  # noqa: B009


def test_importing_it_imports_nothing_heavy() -> None:
    code = f"import sys, grace_lab; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []


def test_example_of_the_documentation_prints_three_metrics_of_a_call() -> None:
    pytest.importorskip("openvino")
    example = inspect.cleandoc(grace_lab.__doc__ or "").partition("call from Python:")[2]
    program = textwrap.dedent(example).replace("seconds=5", "seconds=1")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 3
