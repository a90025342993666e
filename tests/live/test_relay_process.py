"""The relay as a process: it says where it listens, serves, and ends cleanly at a signal, on both loops."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from grace_lab.log.file import read_log

from .relay_peers import TOKEN, calling, received


@pytest.mark.parametrize(("options", "number"), [([], signal.SIGINT), (["--event-loop", "uvloop"], signal.SIGTERM)])
async def test_process_carries_a_call_and_ends_at_a_signal(
    tmp_path: Path, options: list[str], number: signal.Signals
) -> None:
    log = tmp_path / "netsim.jsonl"
    async with received() as (receiver, behind):
        command = ["-c", "from grace_rtc.cli import main; main()", "netsim", "--listen", "127.0.0.1:0"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, "--forward", behind, "--owd-ms", "5", "--json", str(log), *options,
            env={"GRACE_TOKEN": TOKEN, "PATH": ""}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            ready = (await process.stdout.readline()).decode()
            assert ready.startswith("netsim ready at http://127.0.0.1:"), await process.stderr.read()
            async with calling(ready.split()[3].rstrip(",")) as sender:
                await sender.call()
                assert await sender.say("hello") == "hello!"
                process.send_signal(number)
                _, errors = await process.communicate()
            assert receiver.ended == ["session-1"]  # it told the receiver
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert (process.returncode, errors) == (0, b"")
    lines = list(read_log(log))
    assert (lines[0].name, lines[-1].name) == ("process_started", "process_ended")
    assert lines[-1].text("reason") == number.name
    assert TOKEN not in log.read_text()
