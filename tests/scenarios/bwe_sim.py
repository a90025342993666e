"""A small closed loop in virtual time: controller and pacer, one bottleneck per direction, transport-wide feedback.

Deterministic: integer microseconds, seeded randomness. Packets are (flow, sequence number, size); no bytes are made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from random import Random

from grace_transport.congestion.controller import CongestionController
from grace_transport.pacer import Pacer, Priority
from grace_transport.types import Feedback, PacketSent, ProbeCluster

HEADER_BYTES = 20  # RTP with the transport-wide sequence number
PACKET_BYTES = 1_200
PADDING_BYTES = 224
RECEIVER_CLOCK_US = 7_654_321_000  # the receiver's clock is not the sender's
TICK_US = 250  # resolution of arrival times in feedback
MIN_REPORT_US, MAX_REPORT_US = 50_000, 250_000  # libwebrtc's remote_estimator_proxy
REPORT_BYTES, REPORT_SHARE = 68, 0.05


class Clock:
    """Virtual time: runs what was scheduled, in order."""

    def __init__(self) -> None:
        self.now_us = 0
        self._order = count()
        self._events: list[tuple[int, int, Callable[[], None]]] = []

    def at(self, at_us: int, action: Callable[[], None]) -> None:
        heappush(self._events, (max(at_us, self.now_us), next(self._order), action))

    def run_until(self, end_us: int) -> None:
        events = self._events
        while events and events[0][0] <= end_us:
            self.now_us, _, action = heappop(events)
            action()
        self.now_us = end_us


@dataclass(frozen=True, slots=True)
class Loss:
    """Two states; equal loss in both is independent loss (Gilbert-Elliott)."""

    to_bad: float = 0.0
    to_good: float = 1.0
    in_bad: float = 0.0
    in_good: float = 0.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """One direction of a path. `capacity_bps` None: no bottleneck; 0: nothing moves until they change."""

    capacity_bps: int | None = None
    delay_us: int = 0
    jitter_us: int = 0  # uniform, plus or minus; never reorders
    loss: Loss = Loss()
    queue_packets: int | None = None
    queue_bytes: int | None = None
    queue_us: int | None = None  # at the capacity of the moment


class Path:
    """Drop-tail queue, service at the capacity, then loss, delay and jitter."""

    def __init__(self, clock: Clock, conditions: Conditions, seed: int = 0) -> None:
        self.conditions = conditions
        self.dropped = self.lost = self.carried = self.carried_bytes = 0
        self._clock = clock
        self._random = Random(seed)
        self._bad = False
        self._queue: deque[tuple[int, int, Callable[[], None]]] = deque()
        self._queue_bytes = 0
        self._busy = False
        self._last_us = 0

    @property
    def queued_bytes(self) -> int:
        return self._queue_bytes

    def set(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self._serve()

    def send(self, size_bytes: int, deliver: Callable[[], None], extra_delay_us: int = 0) -> None:
        if self.conditions.capacity_bps is None and not self._queue:
            self._forward(size_bytes, deliver, extra_delay_us)
        elif self._is_full(size_bytes):
            self.dropped += 1
        else:
            self._queue.append((size_bytes, extra_delay_us, deliver))
            self._queue_bytes += size_bytes
            self._serve()

    def _is_full(self, size_bytes: int) -> bool:
        c = self.conditions
        if c.queue_packets is not None and len(self._queue) > c.queue_packets:
            return True
        limits = [] if c.queue_bytes is None else [c.queue_bytes]
        if c.queue_us is not None and c.capacity_bps:
            limits.append(c.capacity_bps * c.queue_us // 8_000_000)
        return bool(limits) and self._queue_bytes + size_bytes > min(limits)

    def _serve(self) -> None:
        """The packet at the head leaves after its time at the capacity of now."""
        if self._busy or not self._queue or self.conditions.capacity_bps == 0:
            return
        capacity_bps = self.conditions.capacity_bps
        service_us = 0 if capacity_bps is None else self._queue[0][0] * 8_000_000 // capacity_bps
        self._busy = True
        self._clock.at(self._clock.now_us + service_us, self._depart)

    def _depart(self) -> None:
        size_bytes, extra_delay_us, deliver = self._queue.popleft()
        self._queue_bytes -= size_bytes
        self._busy = False
        self._forward(size_bytes, deliver, extra_delay_us)
        self._serve()

    def _forward(self, size_bytes: int, deliver: Callable[[], None], extra_delay_us: int) -> None:
        self.carried += 1
        self.carried_bytes += size_bytes
        if self._loses():
            self.lost += 1
            return
        c = self.conditions
        delay_us = c.delay_us + extra_delay_us
        if c.jitter_us:
            delay_us += self._random.randint(-c.jitter_us, c.jitter_us)
        at_us = self._clock.now_us + max(delay_us, 0)
        if c.jitter_us:
            at_us = self._last_us = max(at_us, self._last_us)
        self._clock.at(at_us, deliver)

    def _loses(self) -> bool:
        loss = self.conditions.loss
        if not (loss.in_bad or loss.in_good):
            return False
        if self._random.random() < (loss.to_good if self._bad else loss.to_bad):
            self._bad = not self._bad
        return self._random.random() < (loss.in_bad if self._bad else loss.in_good)


@dataclass(frozen=True, slots=True)
class Probe:
    at_us: int
    cluster: ProbeCluster
    in_alr: bool


class Receiver:
    """Collects arrivals and sends transport-wide reports at libwebrtc's intervals."""

    def __init__(self, clock: Clock, backward: Path, report: Callable[[Feedback], None], extra_delay_us: int) -> None:
        self._clock, self._backward, self._report = clock, backward, report
        self._extra_delay_us = extra_delay_us
        self._pending: dict[int, int] = {}
        self._next_seq = 0
        self._pending_bytes = 0
        self._waiting = False
        self._interval_us = 100_000

    def on_packet(self, seq: int, size_bytes: int) -> None:
        self._pending[seq] = (self._clock.now_us + RECEIVER_CLOCK_US) // TICK_US * TICK_US
        self._pending_bytes += size_bytes
        if not self._waiting:
            self._waiting = True
            self._clock.at(self._clock.now_us + self._interval_us, self._send_report)

    def _send_report(self) -> None:
        self._waiting = False
        pending, self._pending = self._pending, {}
        rate_bps = self._pending_bytes * 8_000_000 / self._interval_us
        self._pending_bytes = 0
        wanted_us = int(REPORT_BYTES * 8_000_000 / (REPORT_SHARE * rate_bps))
        self._interval_us = min(max(wanted_us, MIN_REPORT_US), MAX_REPORT_US)
        first, last = min(self._next_seq, *pending) if pending else self._next_seq, max(pending)
        self._next_seq = max(self._next_seq, last + 1)
        feedback = Feedback(tuple((seq, pending.get(seq)) for seq in range(first, last + 1)))
        self._backward.send(REPORT_BYTES + len(pending), lambda: self._report(feedback), self._extra_delay_us)


class Flow:
    """One sender and its receiver. `media_bps` None: video that follows the target; a number: constant bit rate,
    padded up to the target or `pad_to_bps`, whichever is less."""

    def __init__(
        self,
        clock: Clock,
        forward: Path,
        backward: Path,
        controller: CongestionController,
        *,
        fps: int = 30,
        media_bps: int | None = None,
        extra_delay_us: int = 0,
    ) -> None:
        self.controller = controller
        self.media_bps = media_bps
        self.pad_to_bps = 0
        self.active = False
        self.probes: list[Probe] = []
        self.sent = 0
        self.received: list[tuple[int, int]] = []  # (when, size)
        self.delays_us: list[tuple[int, int]] = []  # (when, one-way delay)
        self._clock, self._forward, self._fps = clock, forward, fps
        self._extra_delay_us = extra_delay_us
        self._pacer: Pacer[tuple[int, bool]] = Pacer(controller.target().pacing_bps)  # (size, is padding)
        self._padding_bytes = 0.0
        self._receiver = Receiver(clock, backward, self._on_feedback, extra_delay_us)
        self._wake_us: int | None = None
        self._generation = 0

    def start(self) -> None:
        if not self.active:
            self.active = True
            self._generation += 1
            self._clock.at(self._clock.now_us, self._source(self._generation))

    def stop(self) -> None:
        self.active = False

    def rate_bps(self, from_us: int, to_us: int) -> float:
        """What arrived in between."""
        size_bytes = sum(size for at_us, size in self.received if from_us <= at_us < to_us)
        return size_bytes * 8_000_000 / (to_us - from_us)

    def delay_us(self, share: float, from_us: int, to_us: int) -> int:
        """Quantile of the one-way delay."""
        delays = sorted(delay for at_us, delay in self.delays_us if from_us <= at_us < to_us)
        return delays[min(int(share * len(delays)), len(delays) - 1)]

    def poke(self) -> None:
        """Something changed from outside (a route, a demand)."""
        self._pump()

    def _source(self, generation: int) -> Callable[[], None]:
        """Frames, or packets of constant bit rate, until `stop`."""

        def produce() -> None:
            if not self.active or generation != self._generation:
                return
            now_us = self._clock.now_us
            if self.media_bps is None:
                self._enqueue_frame(now_us)
                next_us = now_us + 1_000_000 // self._fps
            else:
                self._enqueue(PACKET_BYTES, Priority.VIDEO, now_us)
                interval_us = PACKET_BYTES * 8_000_000 // self.media_bps
                self._pad(interval_us, self.media_bps, now_us)
                next_us = now_us + interval_us
            self._pump()
            self._clock.at(next_us, produce)

        return produce

    def _enqueue_frame(self, now_us: int) -> None:
        frame_bytes = max(self.controller.frame_bytes(self._fps, now_us), 100)
        packets = -(-frame_bytes // PACKET_BYTES)
        size_bytes = max(frame_bytes // packets, 50)
        for _ in range(packets):
            self._enqueue(size_bytes, Priority.VIDEO, now_us)

    def _pad(self, interval_us: int, media_bps: int, now_us: int) -> None:
        """What padding is due until the next media packet."""
        lacking_bps = min(self.controller.target().bitrate_bps, self.pad_to_bps) - media_bps
        self._padding_bytes += max(lacking_bps, 0) * interval_us / 8_000_000
        while self._padding_bytes >= PACKET_BYTES:
            self._padding_bytes -= PACKET_BYTES
            self._enqueue(PACKET_BYTES, Priority.PADDING, now_us)

    def _enqueue(self, size_bytes: int, priority: Priority, now_us: int) -> None:
        self._pacer.enqueue((size_bytes, priority is Priority.PADDING), size_bytes, priority, now_us)

    def _pump(self) -> None:
        now_us, controller, pacer = self._clock.now_us, self.controller, self._pacer
        timer_us = controller.get_timer()
        if timer_us is not None and timer_us <= now_us:
            controller.handle_timer(now_us)
        for cluster in controller.probes_to_send(now_us):
            self.probes.append(Probe(now_us, cluster, getattr(controller, "in_alr", False)))
            pacer.add_probe(cluster, now_us)
        pacer.set_rate(controller.target().pacing_bps, now_us)
        for (size_bytes, padding), cluster_id in pacer.pop_due(now_us):
            self._send(size_bytes, cluster_id, padding)
        padding_bytes, cluster_id = pacer.padding_wanted(now_us)
        while padding_bytes > 0:
            self._send(min(padding_bytes, PADDING_BYTES) + HEADER_BYTES, cluster_id, True)
            padding_bytes -= PADDING_BYTES + HEADER_BYTES
        self._sleep()

    def _sleep(self) -> None:
        timers = [t for t in (self._pacer.get_timer(), self.controller.get_timer()) if t is not None]
        if not timers:
            return
        wake_us = max(min(timers), self._clock.now_us + 1)
        if self._wake_us is None or wake_us < self._wake_us or self._wake_us <= self._clock.now_us:
            self._wake_us = wake_us
            self._clock.at(wake_us, self._wake)

    def _wake(self) -> None:
        if self._wake_us is not None and self._clock.now_us >= self._wake_us:
            self._wake_us = None
            self._pump()

    def _send(self, size_bytes: int, cluster_id: int | None, padding: bool) -> None:
        seq, sent_us = self.sent, self._clock.now_us
        self.sent += 1
        self.controller.on_packet_sent(PacketSent(seq, sent_us, size_bytes, cluster_id, padding))

        def deliver() -> None:
            now_us = self._clock.now_us
            self.received.append((now_us, size_bytes))
            self.delays_us.append((now_us, now_us - sent_us))
            self._receiver.on_packet(seq, size_bytes)

        self._forward.send(size_bytes, deliver, self._extra_delay_us)

    def _on_feedback(self, feedback: Feedback) -> None:
        self.controller.on_feedback(feedback, self._clock.now_us)
        self._pump()


class Tcp:
    """Reno-like cross traffic: slow start, one halving per window with loss, acknowledgements without a bottleneck.

    `total_packets` None: goes on for ever."""

    def __init__(self, clock: Clock, forward: Path, ack_delay_us: int, total_packets: int | None = None) -> None:
        self.done = False
        self._clock, self._forward, self._ack_delay_us = clock, forward, ack_delay_us
        self._left = total_packets
        self._window, self._threshold = 10.0, 1e9
        self._next = 0
        self._outstanding: dict[int, int] = {}  # sequence number -> when sent
        self._recover = -1

    def start(self) -> None:
        self._clock.at(self._clock.now_us, self._fill)
        self._clock.at(self._clock.now_us + 1_000_000, self._on_timeout)

    def stop(self) -> None:
        self.done = True

    def _fill(self) -> None:
        while not self.done and len(self._outstanding) < int(self._window) and self._left != 0:
            seq = self._next
            self._next += 1
            self._left = None if self._left is None else self._left - 1
            self._outstanding[seq] = self._clock.now_us
            self._forward.send(1_500, self._acknowledge(seq))

    def _acknowledge(self, seq: int) -> Callable[[], None]:
        return lambda: self._clock.at(self._clock.now_us + self._ack_delay_us, lambda: self._on_ack(seq))

    def _on_ack(self, seq: int) -> None:
        if self._outstanding.pop(seq, None) is not None:
            self._window += 1 if self._window < self._threshold else 1 / self._window
        lost = [s for s in self._outstanding if s < seq - 3]  # the path never reorders
        for s in lost:
            del self._outstanding[s]
            self._left = None if self._left is None else self._left + 1
        if lost and max(lost) > self._recover:
            self._threshold = self._window = max(self._window / 2, 2.0)
            self._recover = self._next
        self.done |= self._left == 0 and not self._outstanding
        self._fill()

    def _on_timeout(self) -> None:
        """Everything outstanding for two seconds is lost: start over slowly."""
        old = [s for s, sent_us in self._outstanding.items() if sent_us < self._clock.now_us - 2_000_000]
        for s in old:
            del self._outstanding[s]
            self._left = None if self._left is None else self._left + 1
        if old:
            self._threshold, self._window = max(self._window / 2, 2.0), 2.0
        if not self.done:
            self._fill()
            self._clock.at(self._clock.now_us + 1_000_000, self._on_timeout)


class Cubic(Tcp):
    """Cross traffic whose window grows as in RFC 9438: a cubic of the time since the last loss, with its constants."""

    C, BETA = 0.4, 0.7  # RFC 9438, section 5

    def __init__(self, clock: Clock, forward: Path, ack_delay_us: int) -> None:
        super().__init__(clock, forward, ack_delay_us)
        self.received: list[tuple[int, int]] = []  # (when, size)
        self._max_window = 0.0
        self._epoch_us: int | None = None

    def rate_bps(self, from_us: int, to_us: int) -> float:
        """What was acknowledged in between."""
        size_bytes = sum(size for at_us, size in self.received if from_us <= at_us < to_us)
        return size_bytes * 8_000_000 / (to_us - from_us)

    def _on_ack(self, seq: int) -> None:
        self.received.append((self._clock.now_us, 1_500))
        before = self._window
        super()._on_ack(seq)
        if self._window < before:  # a loss: Reno has halved
            self._max_window, self._epoch_us = before, self._clock.now_us
            self._window = self._threshold = max(self.BETA * before, 2.0)
        elif self._epoch_us is not None and self._window >= self._threshold:
            zero_s: float = (self._max_window * (1 - self.BETA) / self.C) ** (1 / 3)
            since_s = (self._clock.now_us - self._epoch_us) / 1e6 - zero_s
            cubic = self.C * since_s**3 + self._max_window
            self._window = max(before + max(cubic - before, 0.0) / before, self._window)
