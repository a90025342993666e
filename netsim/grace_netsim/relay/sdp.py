"""Reads of a session description (RFC 8866, 8839) what a relay needs, and rewrites it to name the relay.

The relay's own candidate replaces every other, so that no packet can bypass it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from grace_netsim.relay.datagram import MediaIds
from grace_netsim.relay.latch import Address
from grace_transport.wire.rtp import TRANSPORT_SEQ_URI

MAX_CANDIDATES = 64
_HOST_PRIORITY = (126 << 24) + (65_535 << 8) + 255  # RFC 8445 5.1.2.1


class SdpError(ValueError):
    """A description that cannot be relayed: what is wrong with it, and what to do."""


@dataclass(frozen=True, slots=True)
class Description:
    """The facts about one end that the relay needs."""

    candidates: tuple[Address, ...]  # UDP, by priority; names (.local) are found by STUN instead
    passwords: Mapping[str, str]  # ICE user fragment -> password
    media_ids: MediaIds


def read_description(sdp: str) -> Description:
    """Raises SdpError where the description has no ICE, or needs more than one path."""
    session, *media = _sections(sdp)
    active = [lines for lines in media if not _is_rejected(lines)]
    if not active:
        raise SdpError("the session description has no medium in use; offer video")
    bundled = {mid for line in session if line.startswith("a=group:BUNDLE") for mid in line.split()[1:]}
    if len(active) > 1 and not all(_attribute(lines, "mid") in bundled for lines in active):
        raise SdpError("the media of the session description are not bundled; offer a=group:BUNDLE with all of them")
    passwords = _passwords(session, active)
    if not passwords:
        raise SdpError("the session description has no a=ice-ufrag and a=ice-pwd; the relay can only carry ICE")
    found = {address: priority for lines in (session, *active) for priority, address in _candidates(lines)}
    best_first = sorted(found, key=lambda address: -found[address])
    return Description(tuple(best_first[:MAX_CANDIDATES]), passwords, _media_ids(active))


def rewrite(sdp: str, relay: Address) -> str:
    """The same description with `relay` as its only candidate. Raises SdpError as `read_description` does."""
    read_description(sdp)
    session, *media = _sections(sdp)
    out = [_moved(line, relay) for line in session if not _names_path(line)]
    for lines in media:
        rejected = _is_rejected(lines)
        first, *rest = (line for line in lines if not _names_path(line))
        out += [first if rejected else _with_port(first, relay[1])]
        out += [line if rejected else _moved(line, relay) for line in rest]
        if not rejected:
            out += [f"a=candidate:1 1 udp {_HOST_PRIORITY} {relay[0]} {relay[1]} typ host", "a=end-of-candidates"]
    return "".join(line + "\r\n" for line in out)


def _sections(sdp: str) -> list[list[str]]:
    """Lines of the session, then of each medium."""
    sections: list[list[str]] = [[]]
    for line in sdp.splitlines():  # at whatever some parser takes for the end of a line: nothing hides behind it
        if line.startswith("m="):
            sections.append([])
        if line:
            sections[-1].append(line)
    return sections


def _is_rejected(lines: list[str]) -> bool:
    """Port 0 without a=bundle-only (RFC 9143 6)."""
    fields = lines[0].split()
    return len(fields) < 4 or (fields[1] == "0" and "a=bundle-only" not in lines)


def _attribute(lines: list[str], name: str) -> str | None:
    prefix = f"a={name}:"
    return next((line[len(prefix) :].strip() for line in lines if line.startswith(prefix)), None)


def _passwords(session: list[str], active: list[list[str]]) -> dict[str, str]:
    pairs = [(_attribute(lines, "ice-ufrag"), _attribute(lines, "ice-pwd")) for lines in (session, *active)]
    return {fragment: password for fragment, password in pairs if fragment and password}


def _candidates(lines: list[str]) -> list[tuple[int, Address]]:
    """(priority, address) of those by which UDP can come; anything else is passed over."""
    found = []
    for line in lines:
        fields = line.split()
        if not line.startswith("a=candidate:") or len(fields) < 8 or fields[1] != "1" or fields[2].lower() != "udp":
            continue
        address = _address(fields[4], fields[5])
        if address is not None:
            priority = int(fields[3]) if fields[3].isascii() and fields[3].isdigit() and len(fields[3]) <= 10 else 0
            found.append((priority, address))
    return found


def _address(host: str, port: str) -> Address | None:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:  # a name
        return None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65_536):
        return None
    unusable = ip.is_unspecified or ip.is_multicast or ip.is_link_local
    return None if unusable else (str(ip), int(port))


def _media_ids(active: list[list[str]]) -> MediaIds:
    seq_id, rtx = None, set()
    for line in (line for lines in active for line in lines):
        name, _, value = line.partition(":")
        number, _, meaning = value.strip().partition(" ")
        number = number.partition("/")[0]
        if not (number.isascii() and number.isdigit() and len(number) <= 3):
            continue
        if name == "a=extmap" and meaning.strip() == TRANSPORT_SEQ_URI:
            seq_id = int(number)
        elif name == "a=rtpmap" and meaning.lower().startswith("rtx/"):
            rtx.add(int(number))
    return MediaIds(seq_id, frozenset(rtx))


def _names_path(line: str) -> bool:
    return line.startswith(("a=candidate:", "a=end-of-candidates", "a=remote-candidates:"))


def _moved(line: str, relay: Address) -> str:
    if line.startswith("c="):
        return f"c=IN {'IP6' if ':' in relay[0] else 'IP4'} {relay[0]}"
    return "a=rtcp:9 IN IP4 0.0.0.0" if line.startswith("a=rtcp:") else line


def _with_port(line: str, port: int) -> str:
    fields = line.split()
    if fields[1] != "0":  # 0 with a=bundle-only stays
        fields[1] = str(port)
    return " ".join(fields)
