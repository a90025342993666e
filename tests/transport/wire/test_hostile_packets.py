"""Packets of the classes that break parsers: each parses or is rejected, and so do its neighbours.

The classes are those that fuzzers of RTP and RTCP parsers keep finding: lengths beyond the datagram, counts beyond the
body, padding that swallows the packet, extension elements without end, and feedback that announces far more statuses
than it carries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from tests.transport.wire.readers import read_rtcp, read_rtp

from grace_transport.errors import WireFormatError
from grace_transport.wire.rtcp import split_compound

SSRC = "0a0b0c0d"
SENDER_REPORT = "80c80006" + SSRC + "e0000000" + "80000000" + "00015f90" + "00000010" + "00004000"
REPORT_BLOCK = "11223344" + "01000005" + "00010040" + "00000003" + "e0008000" + "00010000"
TWCC = "8fcd" + "%04x" + SSRC + "00000000" + "fff0" + "%04x" + "000001" + "07"

RTCP = {
    "sender report": SENDER_REPORT,
    "sender report, source description, goodbye": SENDER_REPORT + "81ca0003" + SSRC + "01036162" + "63000000"
    "81cb0001" + SSRC,
    "receiver report with a block": "81c90007" + SSRC + REPORT_BLOCK,
    "receiver report that counts 31 blocks and has one": "9fc90007" + SSRC + REPORT_BLOCK,
    "length beyond the datagram": "80c8ffff" + SSRC,
    "length that splits the next header": "80c80001" + SSRC + "80c9",
    "padding longer than the packet": "a0c90001" + SSRC[:-2] + "ff",
    "padding of nothing": "a0c90001" + SSRC[:-2] + "00",
    "padding in the middle of a compound": "a0c90002" + SSRC + "00000004" + SENDER_REPORT,
    "description item beyond its chunk": "81ca0002" + SSRC + "01ff6162",
    "description chunk without end": "81ca0002" + SSRC + "01026162",
    "goodbye whose reason is longer than the body": "81cb0002" + SSRC + "ff616263",
    "goodbye that counts 31 sources": "9fcb0001" + SSRC,
    "NACK of every packet": "81cd0003" + SSRC + "00000000" + "ffffffff",
    "NACK without an item": "81cd0002" + SSRC + "00000000",
    "PLI": "81ce0002" + SSRC + "11223344",
    "PLI cut short": "81ce0001" + SSRC,
    "FIR": "84ce0004" + SSRC + "00000000" + "11223344" + "01000000",
    "REMB of the largest mantissa": "8fce0005" + SSRC + "00000000" + "52454d42" + "01ffffff" + "11223344",
    "REMB that counts 255 sources": "8fce0005" + SSRC + "00000000" + "52454d42" + "ff000000" + "11223344",
    "transport feedback of one run": TWCC % (5, 3) + "2003" + "040810" + "000000",
    "transport feedback that announces 65535 statuses in a chunk": TWCC % (4, 0xFFFF) + "3fff" + "0000",
    "transport feedback of 65535 losses": TWCC % (8, 0xFFFF) + "1fff" * 8 + "0007" + "0000",
    "transport feedback of no status": TWCC % (4, 0) + "0000" + "0000",
    "transport feedback without its deltas": TWCC % (4, 14) + "bfff" + "0000",
    "transport feedback with half a large delta": TWCC % (4, 1) + "4001" + "80",
    "transport feedback of reserved symbols": TWCC % (4, 7) + "ffff" + "0000",
    "transport feedback cut in its header": "8fcd0002" + SSRC + "00000000",
    "loss notification of no content": "8fce0002" + SSRC + "00000000",
    "application data of a kind unknown": "85cc0002" + SSRC + "41424344",
    "nothing but a header": "80c80000",
    "empty": "",
}

FIXED = "80e012340000000a" + SSRC
RTP = {
    "no payload": FIXED,
    "fifteen sources announced, none there": "8f" + FIXED[2:],
    "extension of 65535 words": "90" + FIXED[2:] + "bedeffff",
    "extension header cut": "90" + FIXED[2:] + "bede",
    "extension element without end": "90" + FIXED[2:] + "bede0001" + "1faabbcc",
    "extension of nothing but padding": "90" + FIXED[2:] + "bede0001" + "00000000",
    "two-byte element of 255 bytes": "90" + FIXED[2:] + "10000001" + "05ff0000",
    "two-byte element without a length": "90" + FIXED[2:] + "10000001" + "00000005",
    "padding longer than the packet": "a0" + FIXED[2:] + "ff",
    "padding that reaches into the extension": "b0" + FIXED[2:] + "bede0001" + "51000109" + "000a",
    "nothing but padding": "a0" + FIXED[2:] + "000003",
    "version 1": "40" + FIXED[2:],
    "payload of ones": FIXED + "ff" * 40,
    "payload of zeros": FIXED + "00" * 40,
    "empty": "",
}


def neighbours(data: bytes) -> Iterator[bytes]:
    """The packet, each of its beginnings, and it with each byte replaced by an extreme."""
    yield data
    for index in range(len(data)):
        yield data[:index]
        for value in (0, 1, 0x7F, 0x80, 0xFF):
            yield data[:index] + bytes([value]) + data[index + 1 :]


@pytest.mark.parametrize(
    ("read", "packet"),
    [pytest.param(read_rtcp, packet, id=f"RTCP {name}") for name, packet in RTCP.items()]
    + [pytest.param(read_rtp, packet, id=f"RTP {name}") for name, packet in RTP.items()],
)
def test_a_hostile_packet_and_its_neighbours_parse_or_are_rejected(read: Callable[[bytes], None], packet: str) -> None:
    for data in neighbours(bytes.fromhex(packet)):
        with suppress(WireFormatError):
            read(data)


@pytest.mark.parametrize(
    "name", ["sender report", "receiver report with a block", "PLI", "FIR", "NACK of every packet"]
)
def test_packets_of_other_endpoints_are_split_and_passed_over(name: str) -> None:
    read_rtcp(bytes.fromhex(RTCP[name]))
    assert len(split_compound(bytes.fromhex(SENDER_REPORT + RTCP[name]))) == 2
