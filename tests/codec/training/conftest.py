"""Training needs the torch extra; without it there is nothing to test here."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") and find_spec("lightning_fabric") else ["test_*.py"]
