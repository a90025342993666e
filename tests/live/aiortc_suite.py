"""Runs aiortc's own test suite without and with the plug-in, and compares test by test.

    python -m tests.live.aiortc_suite [--scheme grace-lite] [--folder FOLDER]

The suite is in aiortc's source distribution, which pip fetches into FOLDER unless it is there already. Its tests wait
for real timers, so a test whose outcomes differ is run again, alone, both ways; only what then still differs counts.
Exit status 1 if anything does. Takes about six minutes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
TRIES = 3  # of a test whose outcomes differ
TIMEOUT_S = 1200
TEST_TIMEOUT_S = 120

Outcomes = dict[str, str]


def fetch(folder: Path) -> Path:
    """The unpacked source distribution of the very aiortc that is installed."""
    wanted = f"aiortc-{version('aiortc')}"
    unpacked = folder / wanted
    if not (unpacked / "tests").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "aiortc"]
        subprocess.run([*pip, "--dest", str(folder), wanted.replace("-", "==")], check=True)
        with tarfile.open(folder / f"{wanted}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    return unpacked


def run(suite: Path, scheme: str | None, only: list[str] | None = None) -> Outcomes:
    """Outcome by test. `scheme` None: without the plug-in."""
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, "GRACE_SCHEME": scheme or ""}
    plugin = [] if scheme is None else ["-p", "aiortc_with_plugin"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", *plugin]
        command += [f"--junitxml={report}", f"--timeout={TEST_TIMEOUT_S}", *(only or ["tests"])]
        subprocess.run(command, cwd=suite, env=environment, check=False, timeout=TIMEOUT_S, stdout=subprocess.DEVNULL)
        return read(report)


def read(report: Path) -> Outcomes:
    found: Outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
        module, _, group = str(case.get("classname")).rpartition(".")
        path = module.replace(".", "/") + ".py"
        found[f"{path}::{group}::{case.get('name')}"] = kinds[0] if kinds else "passed"
    return found


def differing(plain: Outcomes, plugged: Outcomes) -> list[str]:
    return sorted(name for name in plain.keys() | plugged.keys() if plain.get(name) != plugged.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scheme", default="grace-lite", help="codec of the GRACE streams (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "aiortc-suite")
    wanted = parser.parse_args()
    suite = fetch(wanted.folder)
    plain, plugged = run(suite, None), run(suite, wanted.scheme)
    for title, outcomes in (("without", plain), ("with", plugged)):
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(outcomes.values()).items()))
        print(f"{title:8}{suite.name}: {counts}")
    different = differing(plain, plugged)
    for _ in range(TRIES):
        if different:
            print("again, alone:", *different, sep="\n  ")
            again, plugged_again = run(suite, None, different), run(suite, wanted.scheme, different)
            different = differing(again, plugged_again)
    print("differ:" if different else "same results", *different, sep="\n  ")
    return 1 if different or not plain else 0


if __name__ == "__main__":
    sys.exit(main())
