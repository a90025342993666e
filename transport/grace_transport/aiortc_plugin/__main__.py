"""Run an aiortc application, unchanged, with GRACE: `python -m grace_transport.aiortc_plugin [options] APP ARGS`."""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path

from grace_transport.aiortc_plugin.contract import RtcOptions
from grace_transport.aiortc_plugin.installation import install
from grace_transport.errors import TransportError


def main(arguments: list[str] | None = None) -> None:
    """Install the plug-in and run a script; it sees its own name, arguments and folder, as if Python had started it."""
    wanted = _parse(arguments)
    try:
        install(RtcOptions(scheme=wanted.scheme, controller=wanted.controller, max_fps=wanted.max_fps))
    except (TransportError, ValueError) as error:
        sys.exit(f"grace_transport.aiortc_plugin: {error}")
    if not Path(wanted.script).is_file():
        sys.exit(f"grace_transport.aiortc_plugin: {wanted.script}: no such file; give a Python script that uses aiortc")
    sys.argv = [wanted.script, *wanted.arguments]
    sys.path.insert(0, str(Path(wanted.script).resolve().parent))
    runpy.run_path(wanted.script, run_name="__main__")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m grace_transport.aiortc_plugin", description=__doc__)
    defaults = RtcOptions()
    parser.add_argument("--scheme", default=defaults.scheme, help="a GRACE profile, or stub (default: %(default)s)")
    parser.add_argument("--controller", default=defaults.controller, help="congestion control (default: %(default)s)")
    parser.add_argument("--max-fps", type=float, default=defaults.max_fps, help="send at most so many (%(default)g)")
    parser.add_argument("script", help="the application")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what it is called with")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
