"""Runs the shell blocks of documents that are marked as runnable: `python -m tests.shell_blocks README.md docs/*.md`.

A block is marked by `<!-- run -->` on the line before its fence. The blocks of one document run one after another in
an empty folder of their own, with the `grace-rtc` that is first on PATH; a command that fails ends the run.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_BLOCK = re.compile(r"^<!-- run -->\n+```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shell_blocks(text: str) -> list[str]:
    """The marked shell blocks of a document, in order."""
    return [str(block) for block in _BLOCK.findall(text)]


def run_blocks(document: Path) -> bool:
    """Whether every marked block of the document ends with status 0; says what it runs."""
    with tempfile.TemporaryDirectory() as folder:
        for block in shell_blocks(document.read_text(encoding="utf-8")):
            started = time.monotonic()
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=folder, check=False)
            print(
                f"{document}: status {done.returncode} after {time.monotonic() - started:.0f} s:\n{block}", flush=True
            )
            if done.returncode != 0:
                return False
    return True


def main() -> int:
    documents = [Path(name) for name in sys.argv[1:]]
    if not any(shell_blocks(document.read_text(encoding="utf-8")) for document in documents):
        print("no runnable block in these documents", file=sys.stderr)
        return 1
    failed = [document for document in documents if not run_blocks(document)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
