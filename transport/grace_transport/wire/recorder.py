"""The receiver's record of arrivals, and when to report them (libwebrtc `remote_estimator_proxy.cc`).

Owns the interval between reports and what goes into which one. Refuses to know what the reports are used for."""

from __future__ import annotations

from bisect import bisect_left

from grace_transport.wire.seq import Unwrapper
from grace_transport.wire.twcc import MAX_GAP, TwccBuilder

DEFAULT_INTERVAL_US = 50_000  # between two reports: libwebrtc's interval for rates over 217 kbit/s (5 % for reports)
MAX_REPORT_BYTES = 1_150  # with SRTCP, UDP and IP it stays under an MTU of 1280
BACK_WINDOW_US = 500_000  # a reordered packet makes later ones be reported again, at most this far back


class TwccRecorder:
    """Records the first arrival of each transport-wide sequence number and builds reports of what is new.

    Drive it as a machine: `on_packet`, then at `get_timer()` call `build` until it returns None."""

    def __init__(self, sender_ssrc: int, media_ssrc: int, interval_us: int = DEFAULT_INTERVAL_US) -> None:
        self.media_ssrc = media_ssrc
        self._sender_ssrc = sender_ssrc
        self._interval_us = interval_us
        self._unwrapper = Unwrapper(16)
        self._seqs: list[int] = []  # sorted
        self._arrived_us: dict[int, int] = {}
        self._next: int | None = None  # the first sequence number that the next report covers
        self._due_us: int | None = None
        self._grid_us: int | None = None  # time of the last report; reports fall on a grid of intervals
        self._feedback_count = 0

    def on_packet(self, wire_seq: int, arrived_us: int) -> None:
        """A packet with this transport-wide sequence number (16 bit, as on the wire) arrived."""
        seq = self._unwrapper.unwrap(wire_seq)
        self._forget(seq, arrived_us)
        if self._next is None or seq < self._next:
            self._next = seq
        if seq not in self._arrived_us:
            self._arrived_us[seq] = arrived_us
            self._insert(seq)
        if self._due_us is None:
            self._due_us = self._next_on_grid(arrived_us)

    def get_timer(self) -> int | None:
        """When the next report is due; None while there is nothing to report."""
        return self._due_us

    def build(self, now_us: int) -> bytes | None:
        """One RTCP packet with the arrivals that were not reported yet, or None. The caller keeps to `get_timer`.

        Arrivals that one report cannot hold (far apart in number or time) are left for the next call."""
        first = bisect_left(self._seqs, self._next) if self._next is not None else len(self._seqs)
        if self._next is None or first == len(self._seqs):
            self._due_us = None
            return None
        base = max(self._next, self._seqs[first] - MAX_GAP + 1)  # losses since the last report, as far as one reaches
        builder = TwccBuilder(base, self._arrived_us[self._seqs[first]])
        for count, seq in enumerate(self._seqs[first:]):
            full = count > 0 and _most_bytes(count, seq - base + 1) > MAX_REPORT_BYTES
            if full or not builder.add(seq, self._arrived_us[seq]):
                break
            self._next = seq + 1
        data = builder.build(self._sender_ssrc, self.media_ssrc, self._feedback_count)
        self._feedback_count = (self._feedback_count + 1) & 0xFF
        self._grid_us = self._due_us if self._due_us is not None and self._due_us <= now_us else now_us
        self._due_us = now_us if self._next <= self._seqs[-1] else None
        return data

    def _insert(self, seq: int) -> None:
        if not self._seqs or seq > self._seqs[-1]:
            self._seqs.append(seq)
        else:
            self._seqs.insert(bisect_left(self._seqs, seq), seq)

    def _forget(self, seq: int, now_us: int) -> None:
        """Drop arrivals that are too old to be reported again, and numbers that 16 bits cannot tell from newer ones."""
        keep = bisect_left(self._seqs, (self._seqs[-1] if self._seqs else seq) - MAX_GAP)
        if self._next is not None and self._seqs and self._seqs[-1] < self._next:  # all reported
            old_us = now_us - BACK_WINDOW_US
            while keep < len(self._seqs) and self._seqs[keep] < seq and self._arrived_us[self._seqs[keep]] <= old_us:
                keep += 1
        if not keep:
            return
        for gone in self._seqs[:keep]:
            del self._arrived_us[gone]
        del self._seqs[:keep]
        if self._seqs and self._next is not None and self._next < self._seqs[0]:
            self._next = self._seqs[0]

    def _next_on_grid(self, now_us: int) -> int:
        if self._grid_us is None or now_us < self._grid_us:
            return now_us + self._interval_us
        return self._grid_us + ((now_us - self._grid_us) // self._interval_us + 1) * self._interval_us


def _most_bytes(received: int, span: int) -> int:
    """The most that a report takes about `received` packets and one more, of `span` numbers.

    Fixed part, a chunk for seven numbers, two bytes for each arrival. A long run of losses takes less than that, so
    that such a report is cut earlier than it must."""
    return 20 + 2 * (-(-span // 7)) + 2 * (received + 1)
