"""Makes one log of a live call out of those of its processes, on the time axis of the lab: 0 is the first capture.

Each kind of event is taken from the process that knows it: captures, encoding and packets from the sender, arrivals,
decoding and shown frames from the receiver, drops and the state of the link from the relay. Schemes without the plug-in
(vp8, h264) log no packets, so the relay's count; their frames are told apart by their RTP timestamps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from grace_lab.errors import LogError
from grace_lab.log.events import FrameQuality, log_rendered
from grace_lab.log.schema import Event, SessionLog
from grace_transport.event_log import Fact
from grace_transport.wire.media import rtp_timestamp

MAX_CALL_US: Final = 24 * 3600 * 1_000_000
TAIL_US: Final = 1_000_000  # as in the lab: packets that are under way at the last capture may still arrive
SRTP_TAG_BYTES: Final = 16  # RFC 7714; sizes in the sender's log are without it, sizes in the relay's with it

_OF_SENDER: Final = frozenset(
    {"frame_encoded", "frame_skipped", "packet_sent", "rate_target", "resync", "key_frame_forced", "operating_point"}
)
_OF_RECEIVER: Final = frozenset({"packet_received", "frame_decoded", "frame_lost", "pli_sent"})
_OF_RELAY: Final = frozenset({"link_queue", "link_capacity"})
_OF_ALL: Final = frozenset({"datagram_rejected", "connection_state", "notice"})


@dataclass(frozen=True, slots=True)
class CapturedFrame:
    """A frame that the sender captured. `source_frame` is its number in the clip."""

    frame_id: int
    captured_us: int
    source_frame: int


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A frame that reached the player: number `index` of its recording, `width` x `height` pixels."""

    index: int
    at_us: int
    width: int
    height: int
    captured: CapturedFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLogs:
    """The logs of the processes of one call. A call without an emulated network has no relay."""

    sender: SessionLog
    receiver: SessionLog
    relay: SessionLog | None = None


def captured_frames(sender: SessionLog) -> dict[int, CapturedFrame]:
    """RTP timestamp -> captured frame. Raises LogError where nothing was captured."""
    found: dict[int, CapturedFrame] = {}
    for event in sender.named("frame_captured"):
        captured_us, frame_id = event.integer("captured_us"), event.integer("frame_id")
        timestamp = _integer(event, "rtp_timestamp", rtp_timestamp(captured_us))
        found.setdefault(
            timestamp & 0xFFFFFFFF, CapturedFrame(frame_id, captured_us, _integer(event, "source_frame", frame_id))
        )
    if not found:
        raise LogError("the sender's log has no captured frame: the call never began; look at its messages")
    return found


def shown_frames(logs: ProcessLogs) -> list[ShownFrame]:
    """The frames that the player showed, in order, each once. Those that were never captured are left out.

    Raises LogError if the two logs do not share one clock."""
    known = captured_frames(logs.sender)
    first: dict[int, ShownFrame] = {}
    for event in logs.receiver.named("frame_shown"):
        capture = known.get(event.integer("rtp_timestamp") & 0xFFFFFFFF)
        if capture is not None and capture.frame_id not in first:
            if event.at_us < capture.captured_us:
                raise LogError(
                    f"frame {capture.frame_id} was shown before it was captured: the logs are of two machines, or of "
                    "two calls; give logs of one call whose processes ran on one machine"
                )
            size = event.integer("width"), event.integer("height")
            first[capture.frame_id] = ShownFrame(event.integer("index"), event.at_us, *size, capture)
    return list(first.values())


def merge(
    logs: ProcessLogs, facts: Mapping[str, Fact], quality: Mapping[int, FrameQuality] | None = None
) -> SessionLog:
    """The whole call as the lab would have logged it. `facts` go into session_started; `quality` is by frame id.

    Raises LogError for logs that are not of one call."""
    known = captured_frames(logs.sender)
    origin_us = min(capture.captured_us for capture in known.values())
    events = [
        *_captured(logs.sender),
        *(event for event in logs.sender if event.name in _OF_SENDER | _OF_ALL),
        *(event for event in logs.receiver if event.name in _OF_RECEIVER | _OF_ALL),
        *_rendered(logs, quality or {}),
        *_relayed(logs, known),
    ]
    end_us = max(capture.captured_us for capture in known.values()) + TAIL_US
    lasting = (event for event in events if origin_us <= event.at_us and not _after(event, end_us))
    shifted = sorted((_on_axis(event, origin_us) for event in lasting), key=_time)
    merged = SessionLog()
    merged.emit(0, "session_started", **facts)
    for event in [*_capacity_before(logs, origin_us), *shifted]:
        merged.emit(event.at_us, event.name, **event.facts)
    merged.emit(max(0, *(event.at_us for event in shifted)), "session_ended")
    return merged


def _captured(sender: SessionLog) -> Iterator[Event]:
    for event in sender.named("frame_captured"):
        yield Event(event.integer("captured_us"), event.name, event.facts)


def _rendered(logs: ProcessLogs, quality: Mapping[int, FrameQuality]) -> SessionLog:
    rendered = SessionLog()
    for shown in shown_frames(logs):
        capture = shown.captured
        log_rendered(rendered, shown.at_us, capture.frame_id, capture.captured_us, quality.get(capture.frame_id))
    return rendered


def _relayed(logs: ProcessLogs, known: Mapping[int, CapturedFrame]) -> Iterator[Event]:
    """State and drops of the link (those on the way back are marked as feedback); packets if the sender logged none."""
    own_packets = any(True for _ in logs.sender.named("packet_sent"))
    for event in logs.relay or ():
        way_up = event.text("direction") != "down"
        if event.name in _OF_RELAY | _OF_ALL:
            if way_up:
                yield event
        elif event.name == "packet_dropped":
            if way_up and _is_video(event):
                yield event
            elif not way_up:
                yield Event(event.at_us, event.name, {**event.facts, "kind": "feedback"})
        elif event.name == "packet_relayed" and way_up and not own_packets and _is_video(event):
            yield _sent(event, known)


def _is_video(event: Event) -> bool:
    return (event.text("kind") or "media") in ("media", "retransmission", "padding")


def _sent(event: Event, known: Mapping[int, CapturedFrame]) -> Event:
    capture = known.get(_integer(event, "rtp_timestamp", -1))
    facts: dict[str, Fact] = {
        "seq": _integer(event, "seq", -1),
        "frame_id": -1 if capture is None else capture.frame_id,
        "index": 0,
        "bytes": max(0, event.integer("bytes") - SRTP_TAG_BYTES),
        "kind": event.text("kind"),
    }
    return Event(event.at_us, "packet_sent", facts)


def _capacity_before(logs: ProcessLogs, origin_us: int) -> list[Event]:
    """The link's capacity at time 0 is the newest that was logged before it."""
    before = [event for event in (logs.relay or SessionLog()).named("link_capacity") if event.at_us < origin_us]
    return [Event(0, event.name, event.facts) for event in before[-1:]]


def _after(event: Event, end_us: int) -> bool:
    """Whether the event is one of the link that came after the call was over."""
    return event.name in _OF_RELAY and event.at_us > end_us


def _on_axis(event: Event, origin_us: int) -> Event:
    at_us = event.at_us - origin_us
    if at_us > MAX_CALL_US:
        raise LogError(f"{event.name} is {at_us // 1_000_000} s after the first capture: not the logs of one call")
    facts = dict(event.facts)
    if "captured_us" in facts:
        facts["captured_us"] = event.integer("captured_us") - origin_us
    return Event(at_us, event.name, facts)


def _time(event: Event) -> int:
    return event.at_us


def _integer(event: Event, fact: str, otherwise: int) -> int:
    """An optional fact. Raises LogError if it is there and not an integer."""
    if fact not in event.facts:
        return otherwise
    try:
        return event.integer(fact)
    except TypeError as error:
        raise LogError(f"{error}; the log is damaged, run the call again") from error
