"""Seeds and regression inputs of other projects' fuzzers are parsed or rejected, and so are mutations of them."""

from __future__ import annotations

import csv
import os
import random
from contextlib import suppress
from pathlib import Path

import pytest
from tests.transport.wire.readers import READERS

from grace_transport.errors import WireFormatError
from grace_transport.wire.rtcp import split_compound
from grace_transport.wire.rtp import parse_rtp

PATH = Path(os.environ["GRACE_EXTRA"]) / "corpora"
MUTATIONS = 30


def files(kind: str) -> list[Path]:
    return sorted((PATH / kind).iterdir())


def mutations(data: bytes, chance: random.Random) -> list[bytes]:
    """The file, cut short, and with some bytes replaced."""
    out = [data]
    for _ in range(MUTATIONS if data else 0):
        changed = bytearray(data[: chance.randint(1, min(len(data), 1500))])
        for _ in range(chance.randint(0, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        out.append(bytes(changed))
    return out


@pytest.mark.parametrize("kind", ["rtcp", "rtp"])
def test_files_and_mutations_parse_or_are_rejected(kind: str) -> None:
    chance = random.Random(1)
    for path in files(kind):
        for data in mutations(path.read_bytes(), chance):
            with suppress(WireFormatError):
                READERS[kind](data)


def test_files_that_are_said_to_be_valid_parse() -> None:
    """Invalid ones need not be rejected here: some are so in parts that are passed over."""
    with (PATH / "MANIFEST.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["expected"] == "valid"]
    assert rows
    for row in rows:
        data = (PATH / row["file"]).read_bytes()
        if row["file"].startswith("rtcp"):
            split_compound(data)
        else:
            parse_rtp(data, 5)
