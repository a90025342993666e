"""Decides which addresses may send to the relay as a peer, and where datagrams for that peer go.

Addresses named in the peer's SDP may send. Any other must first send a STUN binding request that is signed with the
password of the other end. So a peer is found behind NATs, in containers and behind mDNS names (.local), and strangers
are kept out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from grace_netsim.relay.datagram import Kind, kind_of
from grace_netsim.relay.stun import is_authentic, read_stun

Address = tuple[str, int]

MAX_LEARNED = 16
MAX_TRANSACTIONS = 256  # requests under way: ICE repeats one up to 7 times, for each of a few pairs of candidates


class Latch:
    """One peer of one call. A pure machine: it has no socket and no clock."""

    def __init__(self, named: Iterable[Address] = (), passwords: Mapping[str, str] | None = None) -> None:
        """`named`: the peer's candidates, best first. `passwords`: ICE user fragment -> password of the other end."""
        self._named = tuple(dict.fromkeys(named))
        self._passwords = dict(passwords or {})
        self._learned: OrderedDict[Address, None] = OrderedDict()
        self._askers: OrderedDict[bytes, Address] = OrderedDict()
        self.address: Address | None = None  # where the peer was heard from; None: not yet

    def expect(self, named: Iterable[Address] = (), passwords: Mapping[str, str] | None = None) -> None:
        """Take what the second of the two descriptions tells."""
        self._named = tuple(dict.fromkeys((*self._named, *named)))
        self._passwords.update(passwords or {})

    def admit(self, data: bytes, source: Address) -> bool:
        """Whether a datagram from `source` is the peer's; if so, remembers what it tells about where the peer is."""
        kind = kind_of(data)
        request = read_stun(data) if kind is Kind.STUN else None
        if request is not None and not request.is_request:
            request = None
        if source in self._learned:
            self._learned.move_to_end(source)
        elif source not in self._named:
            if request is None or not is_authentic(request, self._passwords):
                return False
            self._learn(source)
        if request is not None:
            self._askers[request.transaction] = source
            if len(self._askers) > MAX_TRANSACTIONS:
                self._askers.popitem(last=False)
        # The path in use is the one that media comes by; before any, the one that is nominated, or the first.
        nominated = request is not None and request.nominates
        if self.address is None or nominated or kind not in (Kind.STUN, Kind.UNKNOWN):
            self.address = source
        return True

    def target(self, data: bytes) -> Address | None:
        """Where `data` goes: an answer to whoever asked, anything else to the path in use, or to the best candidate."""
        if kind_of(data) is Kind.STUN and len(data) >= 20:
            asker = self._askers.get(data[8:20])
            message = read_stun(data) if asker is not None else None
            if message is not None and not message.is_request:
                return asker
        return self.address or (self._named[0] if self._named else None)

    def _learn(self, source: Address) -> None:
        self._learned[source] = None
        if len(self._learned) > MAX_LEARNED:
            self._learned.popitem(last=False)
