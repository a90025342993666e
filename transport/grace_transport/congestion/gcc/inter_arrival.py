"""Groups packets that were sent as one burst, and says how group spacing changed on the way. Knows no delay trend.

Dialect: libwebrtc's `inter_arrival_delta.cc` (groups by send time, bursts joined, two kinds of reset).
"""

from __future__ import annotations

from dataclasses import dataclass

GROUP_US = 5_000  # packets sent within this of a group's first belong to it (kSendTimeGroupLength)
BURST_GAP_US = 5_000  # arrivals closer than this may be one burst of the network (kBurstDeltaThreshold)
MAX_BURST_US = 100_000  # but no longer one than this (kMaxBurstDuration)
CLOCK_JUMP_US = 3_000_000  # receiver's clock against ours (kArrivalTimeOffsetThreshold)
MAX_REORDERED = 3  # groups that arrive before their predecessor (kReorderedResetThreshold)


@dataclass(frozen=True, slots=True)
class GroupDelta:
    """Distance between two neighbouring groups, newer minus older."""

    send_us: int
    arrival_us: int
    size_bytes: int


class _Group:
    __slots__ = ("arrived_us", "first_arrived_us", "first_sent_us", "seen_us", "sent_us", "size_bytes")

    def __init__(self, sent_us: int, arrived_us: int) -> None:
        self.first_sent_us = self.sent_us = sent_us
        self.first_arrived_us = self.arrived_us = arrived_us
        self.seen_us = 0  # when we learned of its last packet, in our clock
        self.size_bytes = 0

    def is_burst_with(self, sent_us: int, arrived_us: int) -> bool:
        """Packets that queued up behind each other somewhere say nothing about the bottleneck's queue."""
        send_us = sent_us - self.sent_us
        if send_us == 0:
            return True
        arrival_us = arrived_us - self.arrived_us
        return arrival_us < send_us and arrival_us <= BURST_GAP_US and arrived_us - self.first_arrived_us < MAX_BURST_US


class InterArrival:
    """Feed packets in order of arrival; a group is complete when the first packet of the next but one comes in."""

    def __init__(self) -> None:
        self._current: _Group | None = None
        self._previous: _Group | None = None
        self._reordered = 0

    def reset(self) -> None:
        self._current = self._previous = None
        self._reordered = 0

    def on_packet(self, sent_us: int, arrived_us: int, now_us: int, size_bytes: int) -> GroupDelta | None:
        """The distance of the two last complete groups, if this packet opens a new one."""
        group = self._current
        delta = None
        if group is None:
            group = self._current = _Group(sent_us, arrived_us)
        elif sent_us < group.first_sent_us:
            return None  # sent before the group began: reordered on the way
        elif sent_us - group.first_sent_us > GROUP_US and not group.is_burst_with(sent_us, arrived_us):
            if self._previous is not None:
                delta = self._delta(group, self._previous)
                if delta is None:
                    return None
            self._previous = group
            group = self._current = _Group(sent_us, arrived_us)
        else:
            group.sent_us = max(group.sent_us, sent_us)
        group.size_bytes += size_bytes
        group.arrived_us = arrived_us
        group.seen_us = now_us
        return delta

    def _delta(self, group: _Group, previous: _Group) -> GroupDelta | None:
        """None, and perhaps a reset, where the receiver's clock or the order of arrivals cannot be trusted."""
        arrival_us = group.arrived_us - previous.arrived_us
        if arrival_us - (group.seen_us - previous.seen_us) >= CLOCK_JUMP_US:
            self.reset()
            return None
        if arrival_us < 0:
            self._reordered += 1
            if self._reordered >= MAX_REORDERED:
                self.reset()
            return None
        self._reordered = 0
        return GroupDelta(group.sent_us - previous.sent_us, arrival_us, group.size_bytes - previous.size_bytes)
