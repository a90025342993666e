"""The observer of a live process: every event goes to the log, notices and a status line go to the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from grace_lab.log.events import log_receiver_event, log_sender_event
from grace_lab.log.file import LogWriter
from grace_lab.log.schema import RECEIVER, SENDER
from grace_receiver.app.receive import FrameShown, ReceivingEvent, ReceivingStatus
from grace_receiver.events import ReceiverEvent
from grace_sender.app.capture import FrameMissed
from grace_sender.app.send import SendingEvent, SendingStatus
from grace_sender.events import SenderEvent, SkipReason
from grace_sender.live.adaptation import OperatingPointChanged
from grace_sender.live.events import FrameCaptured
from grace_transport.aiortc_plugin import CodecReady, LiveEvent, WorkFailed
from grace_transport.event_log import Fact
from grace_transport.runtime.process import ConnectionChanged, Notice, monotonic_us


class ConsoleObserver:
    """Logs what a sending or receiving process reports, and shows what people should see of it."""

    def __init__(self, by: str, log: LogWriter | None, status: bool, console: Console | None = None) -> None:
        self._by, self._log, self._status = by, log, status
        self._console = console or Console(file=sys.stderr, soft_wrap=True, highlight=False, emoji=False)
        self._line = self._console.status("", spinner="dots") if status and self._console.is_terminal else None
        self._reason = "an error"

    @contextmanager
    def process(self, facts: Mapping[str, Fact]) -> Iterator[None]:
        """Surrounds all that the process does; logs its beginning with `facts`, and its end with the reason."""
        self._emit(monotonic_us(), "process_started", by=self._by, **facts)
        if self._line is not None:
            self._line.start()
        try:
            yield
        except BaseException as error:
            self._reason = f"{type(error).__name__}: {error}"
            raise
        finally:
            if self._line is not None:
                self._line.stop()
            self._emit(monotonic_us(), "process_ended", by=self._by, reason=self._reason)

    def ended_with(self, reason: str) -> None:
        """Say why the process ends, where no exception does."""
        self._reason = reason

    def observe(self, event: SendingEvent | ReceivingEvent) -> None:
        """Take one event of the process; others than those that concern log and terminal are not shown."""
        match event:
            case LiveEvent():
                self._live(event)
            case FrameCaptured():
                self._captured(event)
            case FrameMissed():
                self._missed(event)
            case OperatingPointChanged():
                self._operating_point(event)
            case FrameShown():
                self._emit(
                    event.at_us, "frame_shown",
                    index=event.index, rtp_timestamp=event.rtp_timestamp, width=event.width, height=event.height,
                )  # fmt: skip
            case ConnectionChanged():
                self._emit(event.at_us, "connection_state", by=self._by, state=event.state)
                self._say(f"connection: {event.state}")
            case Notice():
                self._notice(event.at_us, event.text, event.warning)
            case SendingStatus():
                self._show_status(_sending(event))
            case ReceivingStatus():
                self._show_status(_receiving(event))

    def _live(self, live: LiveEvent) -> None:
        match live.event:
            case OperatingPointChanged():
                self._operating_point(live.event)
            case CodecReady():
                self._emit(live.event.at_us, "notice", by=self._by, text=f"codec ready in {live.event.took_us} us")
            case WorkFailed():
                self._notice(live.event.at_us, f"{live.event.what} failed: {live.event.reason}", True)
            case FrameCaptured():
                self._captured(live.event)
            case _ if self._log is not None:
                self._session_event(self._log, live)

    def _session_event(self, log: LogWriter, live: LiveEvent) -> None:
        if live.end == SENDER and isinstance(live.event, SenderEvent):
            log_sender_event(log, live.event)
        elif live.end == RECEIVER and isinstance(live.event, ReceiverEvent):
            log_receiver_event(log, live.event)

    def _captured(self, event: FrameCaptured) -> None:
        timestamp = {} if event.rtp_timestamp is None else {"rtp_timestamp": event.rtp_timestamp}
        self._emit(
            event.at_us, "frame_captured",
            frame_id=event.frame_id, captured_us=event.captured_us, source_frame=event.source_frame, **timestamp,
        )  # fmt: skip

    def _missed(self, event: FrameMissed) -> None:
        self._emit(
            event.at_us, "frame_captured",
            frame_id=event.frame_id, captured_us=event.captured_us, source_frame=event.source_frame,
        )  # fmt: skip
        reason = SkipReason.ENCODER_TOO_SLOW.value
        self._emit(event.at_us, "frame_skipped", frame_id=event.frame_id, reason=reason)

    def _operating_point(self, event: OperatingPointChanged) -> None:
        point = event.point
        self._emit(
            event.at_us, "operating_point",
            width=point.width, height=point.height, fps=float(point.fps), reason=event.reason,
        )  # fmt: skip
        self._say(event.reason)

    def _notice(self, at_us: int, text: str, warning: bool) -> None:
        self._emit(at_us, "notice", by=self._by, text=text)
        self._say(text, warning)

    def _emit(self, at_us: int, name: str, **facts: Fact) -> None:
        if self._log is not None:
            self._log.emit(at_us, name, **facts)

    def _say(self, text: str, warning: bool = False) -> None:
        safe = escape(text)
        self._console.print(f"[bold yellow]{safe}[/]" if warning else safe)

    def _show_status(self, text: str) -> None:
        if self._line is not None:
            self._line.update(text)
        elif self._status:
            self._console.print(text)


def _sending(status: SendingStatus) -> str:
    target = "" if not status.target_bps else f" of {_kbps(status.target_bps)}"
    facts = [
        f"{status.codec} {_kbps(status.bitrate_bps)}{target} kbit/s",
        f"{status.fps:.1f} fps",
        "loss ?" if status.loss is None else f"loss {status.loss:.1%}",
        "rtt ?" if status.rtt_s is None else f"rtt {status.rtt_s * 1000:.0f} ms",
        *([] if status.resyncs is None else [f"{status.resyncs} resyncs"]),
    ]
    return escape(" | ".join(facts))


def _receiving(status: ReceivingStatus) -> str:
    facts = [
        f"{status.codec} {_kbps(status.bitrate_bps)} kbit/s",
        f"{status.fps:.1f} fps",
        "no frame yet" if status.size is None else f"{status.size[0]}x{status.size[1]}",
        "loss ?" if status.loss is None else f"loss {status.loss:.1%}",
        *([] if status.partial is None else [f"{status.partial} partial"]),
        *([] if status.resyncs is None else [f"{status.resyncs} resyncs"]),
        *(["LOST"] if status.connection == "lost" else []),
    ]
    return escape(" | ".join(facts))


def _kbps(bps: int) -> str:
    return f"{bps / 1000:.0f}"
