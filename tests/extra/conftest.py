"""Runs over recordings and fuzzing corpora of others, which the project does not ship: tests/README.md."""

import os

collect_ignore_glob = [] if os.environ.get("GRACE_EXTRA") else ["test_*.py"]
