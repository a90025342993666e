"""Requests for packets that are missing (NACK) and for key frames (PLI), and the sender's buffer that answers NACKs.

Owns when to ask, how often, and what is still kept to answer with. Whether a frame can do without its missing packets
is for the caller to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from grace_transport.lineage import NO_STATE, all_of, lineage
from grace_transport.types import MediaPacket, Nack, Pli

MIN_RETRY_US = 50_000  # between two requests for the same packet, or the round trip if that is longer
MAX_REQUESTS = 10  # for one frame (libwebrtc `nack_requester.cc`: 10 for one packet)
REORDER_US = 5_000  # how long a packet may be overtaken by later ones before it counts as missing
MAX_FRAMES = 64  # frames that are followed at a time
KEY_RETRY_US = 100_000  # between two requests for a key frame, or the round trip if that is longer
MAX_STORED_BYTES = 4 << 20
MAX_STORED_US = 2_000_000

Item = TypeVar("Item")


@dataclass(slots=True)
class _Progress:
    """Payloads of one frame that came and that were asked for, as bitmaps. `total` 0: nothing came."""

    total: int = 0
    key: bool = False
    name: int = NO_STATE  # the lineage if it arrives whole, which the frame coded after it names as its parent
    received: int = 0
    asked: int = 0
    requests: int = 0
    asked_us: int = 0  # time of the last request
    new_us: int | None = None  # when to ask for packets that were not asked for yet
    retry_us: int | None = None  # when to ask again for those that were

    @property
    def complete(self) -> bool:
        return self.total > 0 and self.received == all_of(self.total)


class NackRequester:
    """The receiver's half: it finds gaps and asks for them until they close, at most `MAX_REQUESTS` times a frame.

    A packet is missing once a later one of its frame, or of a later frame, arrived and `reorder_us` went by. Numbers
    that the sender passed over are not missing: the next frame names the newest one its parent.
    `key_frames_only`: ask for key frames' packets alone; a frame of which nothing came is not taken for one."""

    def __init__(self, *, key_frames_only: bool, reorder_us: int = REORDER_US, max_frames: int = MAX_FRAMES) -> None:
        self._key_frames_only = key_frames_only
        self._reorder_us = reorder_us
        self._max_frames = max_frames
        self._retry_us = MIN_RETRY_US
        self.rtt_us: int | None = None
        """From NACK to retransmission, smoothed; None before the first. Includes the time in the sender's pacer."""
        self._frames: dict[int, _Progress] = {}
        self._waiting: set[int] = set()  # frames with something to ask for
        self._newest = 0
        self._done = -1  # frames up to here are not waited for any more

    def set_rtt(self, rtt_us: int) -> None:
        """The round trip time: requests are not repeated faster."""
        self._retry_us = max(MIN_RETRY_US, rtt_us)

    def on_packet(self, packet: MediaPacket, now_us: int) -> None:
        """A packet came, which may show that earlier ones are missing."""
        frame_id = packet.frame_id
        if not self._frames or abs(frame_id - self._newest) > self._max_frames:
            self._restart(frame_id)
        if frame_id <= self._done:
            return
        if packet.retransmitted:
            self._note_rtt(self._frames.get(frame_id), now_us)
        changed = {frame_id}
        if frame_id > self._newest:
            follows = packet.parent == self._frames[self._newest].name != NO_STATE
            changed.update(range(self._newest, self._newest + 1 if follows else frame_id))
            self._newest = frame_id
            self.on_frame_done(frame_id - self._max_frames)
        for changed_id in sorted(changed):
            if changed_id > self._done:
                self._frames.setdefault(changed_id, _Progress())
        self._note_packet(packet)
        for changed_id in changed:
            self._note_gap(changed_id, now_us)

    def on_frame_done(self, frame_id: int) -> None:
        """Frames up to this one were handed over or given up: their packets are not asked for any more."""
        self._done = max(self._done, frame_id)
        for old in [old for old in self._frames if old <= self._done and old != self._newest]:
            del self._frames[old]
            self._waiting.discard(old)
        if self._newest <= self._done:
            self._waiting.discard(self._newest)

    def get_timer(self) -> int | None:
        """When `requests_to_send` will have something to send; None while nothing is missing."""
        return min(
            (due_us for frame_id in self._waiting if (due_us := self._due_us(frame_id)) is not None), default=None
        )

    def requests_to_send(self, now_us: int) -> tuple[Nack, ...]:
        """The requests that are due now. The caller sends them: each call counts as asking."""
        due = [frame_id for frame_id in sorted(self._waiting) if (self._due_us(frame_id) or 0) <= now_us]
        asked = [self._ask(frame_id, now_us) for frame_id in due]
        return tuple([request for request in asked if request is not None])

    def _restart(self, frame_id: int) -> None:
        self._frames = {frame_id: _Progress()}
        self._waiting.clear()
        self._newest, self._done = frame_id, frame_id - self._max_frames

    def _note_rtt(self, progress: _Progress | None, now_us: int) -> None:
        """Measure the round trip, but not of packets that were asked for twice: either request may have been answered.

        This is Karn's algorithm (RFC 6298 section 3), with its smoothing by an eighth."""
        if progress is not None and progress.requests == 1:
            sample_us = now_us - progress.asked_us
            self.rtt_us = sample_us if self.rtt_us is None else (7 * self.rtt_us + sample_us) // 8
            self.set_rtt(self.rtt_us)

    def _note_packet(self, packet: MediaPacket) -> None:
        progress = self._frames.setdefault(packet.frame_id, _Progress())
        if progress.total not in {0, packet.total} or not 0 <= packet.index < packet.total:
            return
        if progress.total == 0 and progress.requests:
            progress.asked = all_of(packet.total)  # the whole frame was asked for
        if progress.total == 0:
            progress.total, progress.key = packet.total, packet.key
            progress.name = lineage(packet.parent, packet.frame_id, packet.total, all_of(packet.total))
        progress.received |= 1 << packet.index

    def _note_gap(self, frame_id: int, now_us: int) -> None:
        progress = self._frames.get(frame_id)
        if progress is None:
            return
        whole = progress.total == 0 and frame_id < self._newest
        wanted = self._missing(frame_id, progress)
        if progress.complete or (self._key_frames_only and not progress.key):
            self._waiting.discard(frame_id)
        elif progress.requests < MAX_REQUESTS and (wanted & ~progress.asked or (whole and not progress.requests)):
            progress.new_us = now_us + self._reorder_us if progress.new_us is None else progress.new_us
            self._waiting.add(frame_id)

    def _missing(self, frame_id: int, progress: _Progress) -> int:
        later = frame_id < self._newest
        return all_of(progress.total if later else progress.received.bit_length()) & ~progress.received

    def _due_us(self, frame_id: int) -> int | None:
        progress = self._frames[frame_id]
        return min((due for due in (progress.new_us, progress.retry_us) if due is not None), default=None)

    def _ask(self, frame_id: int, now_us: int) -> Nack | None:
        progress = self._frames[frame_id]
        wanted = self._missing(frame_id, progress)
        if progress.retry_us is None or progress.retry_us > now_us:
            wanted &= ~progress.asked
        if not wanted and progress.total:
            progress.new_us = None  # the missing packets came: they were reordered, not lost
            if progress.retry_us is not None and progress.retry_us <= now_us:
                progress.retry_us = None
            return None
        progress.asked |= wanted
        progress.requests += 1
        progress.asked_us = now_us
        progress.new_us = None
        progress.retry_us = now_us + self._retry_us
        if progress.requests >= MAX_REQUESTS:
            self._waiting.discard(frame_id)
        return Nack(frame_id, wanted)


class KeyFrameRequester:
    """Asks for a key frame at once, and again every round trip until one is there."""

    def __init__(self) -> None:
        self._retry_us = KEY_RETRY_US
        self._last_frame_id: int | None = None
        self._due_us: int | None = None

    @property
    def waiting(self) -> bool:
        """Whether a key frame was asked for and is not there yet."""
        return self._due_us is not None

    def set_rtt(self, rtt_us: int) -> None:
        """The round trip time: requests are not repeated faster."""
        self._retry_us = max(KEY_RETRY_US, rtt_us)

    def ask(self, last_frame_id: int, now_us: int) -> None:
        """A key frame is needed; `last_frame_id` is the newest frame that could not be decoded without one."""
        self._last_frame_id = last_frame_id
        if self._due_us is None:
            self._due_us = now_us

    def satisfied(self, frame_id: int) -> None:
        """Frame `frame_id` was decoded whole and in sync. That answers the request, unless the frame is older."""
        if self._last_frame_id is None or frame_id > self._last_frame_id:
            self._due_us = None

    def reset(self) -> None:
        """Another stream begins: its frame numbers do not answer a request about the old one."""
        self._last_frame_id = self._due_us = None

    def get_timer(self) -> int | None:
        """When `request_to_send` will have something to send; None while none is wanted."""
        return self._due_us

    def request_to_send(self, now_us: int) -> Pli | None:
        """The request, if it is due. The caller sends it: each call counts as asking."""
        if self._due_us is None or self._last_frame_id is None or self._due_us > now_us:
            return None
        self._due_us = now_us + self._retry_us
        return Pli(self._last_frame_id)


@dataclass(slots=True)
class _Stored(Generic[Item]):
    """The payloads of one frame by index, and when each was sent again last."""

    added_us: int
    items: dict[int, Item] = field(default_factory=dict)
    retransmitted_us: dict[int, int] = field(default_factory=dict)
    size_bytes: int = 0


class RetransmissionBuffer(Generic[Item]):
    """The sender's half: it keeps what was sent, up to a number of bytes and an age, and drops the oldest frames first.

    `Item` is the caller's form of a payload, whatever it can send again."""

    def __init__(self, max_bytes: int = MAX_STORED_BYTES, max_age_us: int = MAX_STORED_US) -> None:
        self._max_bytes = max_bytes
        self._max_age_us = max_age_us
        self._spacing_us = MIN_RETRY_US // 2
        self._frames: dict[int, _Stored[Item]] = {}  # in order of adding
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """Payload bytes that are kept now."""
        return self._bytes

    def set_rtt(self, rtt_us: int) -> None:
        """The round trip time: nothing is handed out twice within half of it."""
        self._spacing_us = max(MIN_RETRY_US, rtt_us) // 2

    def add(self, frame_id: int, index: int, item: Item, size_bytes: int, now_us: int) -> None:
        """Payload `index` of a frame was sent: keep it. Adding it again changes nothing."""
        stored = self._frames.setdefault(frame_id, _Stored(now_us))
        if index not in stored.items:
            stored.items[index] = item
            stored.size_bytes += size_bytes
            self._bytes += size_bytes
        self._forget(now_us)

    def on_retransmitted(self, frame_id: int, index: int, now_us: int) -> None:
        """Payload `index` of a frame, handed out earlier, left only now: the pacer had held it back."""
        stored = self._frames.get(frame_id)
        if stored is not None:
            stored.retransmitted_us[index] = now_us

    def wanted(self, request: Nack, now_us: int) -> list[Item]:
        """The payloads that a NACK asks for and that are still here; none twice within half a round trip."""
        self._forget(now_us)
        stored = self._frames.get(request.frame_id)
        if stored is None:
            return []
        items = []
        for index, item in stored.items.items():
            asked = request.wanted == 0 or request.wanted >> index & 1
            if asked and now_us - stored.retransmitted_us.get(index, now_us - self._spacing_us) >= self._spacing_us:
                stored.retransmitted_us[index] = now_us
                items.append(item)
        return items

    def newest(self, now_us: int) -> Item | None:
        """A payload of the newest frame that was not handed out within half a round trip; None if there is none.

        For a sender that has to fill a probe: a copy of what may be lost is worth more than padding."""
        self._forget(now_us)
        if not self._frames:
            return None
        stored = self._frames[next(reversed(self._frames))]
        for index, item in stored.items.items():
            if now_us - stored.retransmitted_us.get(index, now_us - self._spacing_us) >= self._spacing_us:
                stored.retransmitted_us[index] = now_us
                return item
        return None

    def _forget(self, now_us: int) -> None:
        while self._frames:
            frame_id, oldest = next(iter(self._frames.items()))
            if self._bytes <= self._max_bytes and now_us - oldest.added_us <= self._max_age_us:
                return
            self._bytes -= oldest.size_bytes
            del self._frames[frame_id]
