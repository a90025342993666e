"""Packets to frames, in frame order. Owns waiting, deadlines and which packets are late; refuses to know how to decode.

There are two modes. `ordered=False`, for codecs that decode partial frames, hands over whatever arrived of each frame;
`ordered=True` hands over complete frames alone, and blocks at the first hole as other jitter buffers do."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from grace_transport.lineage import NO_STATE, all_of, lineage
from grace_transport.types import MediaPacket

MAX_GAP_FRAMES = 300  # ten seconds at 30 fps: a longer jump starts another stream
MAX_FRAMES = 64  # frames that wait at a time; beyond, the oldest are handed over early
MAX_BYTES = 16 << 20  # of payloads that wait at a time
KEY_DEADLINE_US = 500_000  # a key frame is worth a retransmission: everything after it needs it


@dataclass(frozen=True, slots=True)
class AssembledFrame:
    """A frame with the payloads that arrived, by index. `total` 0: none did, and nothing else of it is known.

    first_us, last_us: arrival of its first and its last packet. captured_us: in the sender's clock."""

    frame_id: int
    key: bool
    total: int
    parent: int
    profile: int
    captured_us: int | None
    payloads: Mapping[int, bytes]
    first_us: int | None
    last_us: int | None

    @property
    def received(self) -> int:
        """Bitmap of the payloads that arrived."""
        return sum(1 << index for index in self.payloads)

    @property
    def complete(self) -> bool:
        """Whether all payloads arrived."""
        return 0 < self.total == len(self.payloads)


@dataclass(frozen=True, slots=True)
class StreamReset:
    """An event: the stream jumped so far that it counts as another one, which begins with `frame_id`."""

    at_us: int
    frame_id: int


@dataclass(frozen=True, slots=True)
class FrameGivenUp:
    """An event of ordered mode: this frame will not be complete; the next one handed over is a key frame."""

    at_us: int
    frame_id: int


@dataclass(slots=True)
class _Partial:
    """A frame while its packets come in."""

    first: MediaPacket
    name: int  # the lineage if the frame arrives whole, which the frame after it names as its parent
    first_us: int
    last_us: int
    payloads: dict[int, bytes] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return len(self.payloads) == self.first.total


class FrameAssembler:
    """Collects packets and hands frames over, each once, in order of frame id.

    Partial mode (`ordered=False`): a frame is handed over when complete; or `reorder_us` after the first packet of a
    later frame; or `deadline_us` after its own first packet. Key frames wait up to `key_deadline_us` for
    retransmissions. Frames of which nothing came are handed over as empty ones (`total` 0).
    Ordered mode: complete frames alone. The first that is incomplete blocks the rest, for at most `deadline_us`; then
    it is given up and all frames up to the next complete key frame are dropped.
    Numbers that the sender passed over are told from lost frames where the next frame names the last one its parent.

    Packets that cannot be used never raise: they are counted by reason in `dropped`."""

    def __init__(
        self,
        deadline_us: int,
        ordered: bool = False,
        *,
        reorder_us: int = 0,
        key_deadline_us: int = KEY_DEADLINE_US,
        max_gap_frames: int = MAX_GAP_FRAMES,
        max_frames: int = MAX_FRAMES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.dropped: Counter[str] = Counter()
        self._deadline_us = deadline_us
        self._ordered = ordered
        self._reorder_us = reorder_us
        self._key_deadline_us = deadline_us if ordered else max(key_deadline_us, deadline_us)
        self._max_gap = max_gap_frames
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._bytes = 0
        self._frames: dict[int, _Partial] = {}  # all at or after `_next`
        self._next: int | None = None  # the frame to hand over next
        self._handed_over = False
        self._newest = 0
        self._last_name = NO_STATE  # of the newest frame that left, as if complete
        self._needs_key = ordered  # ordered mode: until a key frame, frames are undecodable
        self._given_up = False
        self._jumped: MediaPacket | None = None  # one packet far away: a stray, or the stream's new place
        self._ready: deque[AssembledFrame] = deque()
        self._events: deque[StreamReset | FrameGivenUp] = deque()

    @property
    def newest_frame_id(self) -> int:
        """The newest frame of which a packet arrived."""
        return self._newest

    def on_packet(self, packet: MediaPacket, now_us: int) -> None:
        """A packet came; frames that it completes are ready at once."""
        if self._in_reach(packet, now_us):
            self._store(packet, now_us)
        while len(self._frames) > self._max_frames or self._bytes > self._max_bytes:
            self.dropped["overflow"] += 1
            self._emit_head(now_us)
        self.handle_timer(now_us)

    def handle_timer(self, now_us: int) -> None:
        """Hand over all frames that are due by now."""
        while (due_us := self.get_timer()) is not None and due_us <= now_us:
            self._emit_head(now_us)

    def get_timer(self) -> int | None:
        """When the next frame is handed over even if nothing more comes; None while no frame is waited for."""
        if self._next is None or not self._frames:
            return None
        head = self._frames.get(self._next)
        if head is None:
            return self._gap_due_us()
        if head.complete:
            return head.last_us
        if head.first.key:
            return head.first_us + self._key_deadline_us
        if self._given_up:
            return head.first_us  # undecodable
        due_us = head.first_us + self._deadline_us
        if len(self._frames) > 1 and not self._ordered:
            due_us = min(due_us, self._later_us() + self._reorder_us)
        return due_us

    def _gap_due_us(self) -> int:
        """When to go on past a frame of which nothing came, while later ones did."""
        after = self._frames[min(self._frames)]
        if self._given_up or after.first.parent == self._last_name != NO_STATE:
            return after.first_us  # undecodable, or passed over by the sender
        patience_us = self._deadline_us if self._ordered and not after.first.key else self._reorder_us
        return self._later_us() + patience_us

    def _later_us(self) -> int:
        """When the first packet of a frame after the next came."""
        return min(frame.first_us for frame_id, frame in self._frames.items() if frame_id != self._next)

    def next_frame(self) -> AssembledFrame | None:
        """The next frame that was handed over, or None."""
        return self._ready.popleft() if self._ready else None

    def next_event(self) -> StreamReset | FrameGivenUp | None:
        """The oldest event that was not read yet, or None."""
        return self._events.popleft() if self._events else None

    def _in_reach(self, packet: MediaPacket, now_us: int) -> bool:
        """Whether the packet is one to store. A stream that jumped is followed once a second packet says so."""
        if not 0 <= packet.index < packet.total:
            self.dropped["contradictory"] += 1
            return False
        if self._next is None:
            self._next = self._newest = packet.frame_id
        if abs(packet.frame_id - self._newest) > self._max_gap:
            return self._jump(packet, now_us)
        if packet.frame_id < self._next:
            if self._handed_over:
                self.dropped["late"] += 1
                return False
            self._next = packet.frame_id  # the stream's first packets may come in any order
        return True

    def _jump(self, packet: MediaPacket, now_us: int) -> bool:
        stray = self._jumped
        near = stray is not None and abs(stray.frame_id - packet.frame_id) <= self._max_gap
        if packet.frame_id < self._newest and not packet.key and not near:
            self.dropped["late"] += 1  # a stream that starts anew starts with a key frame
            return False
        if stray is None or not near or (stray.frame_id, stray.index) == (packet.frame_id, packet.index):
            self._jumped = packet
            self.dropped["jump"] += 1
            return False
        self._reset(min(stray.frame_id, packet.frame_id), now_us)
        self._store(stray, now_us)
        return True

    def _reset(self, frame_id: int, now_us: int) -> None:
        self._frames.clear()
        self._bytes = 0
        self._jumped = None
        self._next = self._newest = frame_id
        self._handed_over = False
        self._last_name = NO_STATE
        self._needs_key, self._given_up = self._ordered, False
        self._events.append(StreamReset(now_us, frame_id))

    def _store(self, packet: MediaPacket, now_us: int) -> None:
        frame = self._frames.get(packet.frame_id)
        if frame is None:
            name = lineage(packet.parent, packet.frame_id, packet.total, all_of(packet.total))
            frame = self._frames[packet.frame_id] = _Partial(packet, name, now_us, now_us)
            self._newest = max(self._newest, packet.frame_id)
        first = frame.first
        if (packet.total, packet.parent, packet.key, packet.profile) != (
            first.total,
            first.parent,
            first.key,
            first.profile,
        ):
            self.dropped["contradictory"] += 1
        elif packet.index in frame.payloads:
            self.dropped["duplicate"] += 1
        else:
            frame.payloads[packet.index] = packet.payload
            frame.last_us = now_us
            self._bytes += len(packet.payload)

    def _emit_head(self, now_us: int) -> None:
        """Hand over, or give up, the next frame in order."""
        assert self._next is not None
        self._handed_over = True
        if self._next not in self._frames and self._was_passed_over():
            self._next = min(self._frames)
            return
        frame_id, self._next = self._next, self._next + 1
        frame = self._frames.pop(frame_id, None)
        if frame is not None:
            self._bytes -= sum(map(len, frame.payloads.values()))
            self._last_name = frame.name
        if not self._ordered:
            self._ready.append(_assembled(frame_id, frame))
        elif frame is not None and frame.complete and (frame.first.key or not self._needs_key):
            self._needs_key = self._given_up = False
            self._ready.append(_assembled(frame_id, frame))
        else:
            self._give_up(frame_id, frame, now_us)

    def _was_passed_over(self) -> bool:
        """Whether the frame after a gap follows the last one that left; ordered mode goes on at a key frame, too."""
        after = self._frames[min(self._frames)].first
        return after.parent == self._last_name != NO_STATE or (self._ordered and after.key)

    def _give_up(self, frame_id: int, frame: _Partial | None, now_us: int) -> None:
        self.dropped["undecodable"] += len(frame.payloads) if frame is not None else 0
        if not self._given_up or (frame is not None and frame.first.key):
            self._events.append(FrameGivenUp(now_us, frame_id))
        self._needs_key = self._given_up = True


def _assembled(frame_id: int, frame: _Partial | None) -> AssembledFrame:
    if frame is None:
        return AssembledFrame(frame_id, False, 0, 0, 0, None, {}, None, None)
    first = frame.first
    return AssembledFrame(
        frame_id,
        first.key,
        first.total,
        first.parent,
        first.profile,
        first.captured_us,
        frame.payloads,
        frame.first_us,
        frame.last_us,
    )
