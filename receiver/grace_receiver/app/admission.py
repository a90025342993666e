"""Who may call: one call at a time; whoever comes back may always. Pure: it is told what happens, and decides."""

from __future__ import annotations

from enum import Enum
from typing import Final

SILENT_US: Final = 4_000_000
"""Nothing came for so long: the call is lost. Less than a sender waits before it calls again (`Reconnect`)."""
ATTEMPT_US: Final = 15_000_000  # to get connected
RETURN_US: Final = 20_000_000
"""So long a lost call may come back; then it has ended."""


class Decision(Enum):
    ACCEPT = "accept"
    REPLACE = "replace"
    REFUSE = "refuse"


class CallAdmission:
    """The call at hand, by the name of its session, and whether it is alive."""

    def __init__(self) -> None:
        self._session: str | None = None
        self._alive_until_us = 0
        self._lost_us: int | None = None

    @property
    def session(self) -> str | None:
        """The call at hand; a lost one stays until it has ended."""
        return self._session

    @property
    def lost(self) -> bool:
        return self._lost_us is not None

    def on_offer(self, session: str, now_us: int) -> Decision:
        """Someone calls. Unless refused, theirs is the call at hand from now on."""
        self.handle_timer(now_us)
        before = self._session
        if before is not None and before != session and not self.lost:
            return Decision.REFUSE
        self._session, self._lost_us = session, None
        self._alive_until_us = now_us + ATTEMPT_US
        return Decision.ACCEPT if before is None else Decision.REPLACE

    def on_alive(self, now_us: int) -> None:
        """Something came from the peer over the call."""
        if self._session is not None:
            self._alive_until_us, self._lost_us = now_us + SILENT_US, None

    def on_lost(self, now_us: int) -> None:
        """The connection failed, or was closed by the peer."""
        if self._session is not None and self._lost_us is None:
            self._lost_us = now_us

    def on_hang_up(self, session: str) -> bool:
        """The caller ends `session`; whether that was the call at hand."""
        if self._session != session:
            return False
        self.end()
        return True

    def end(self) -> None:
        self._session, self._lost_us = None, None

    def handle_timer(self, now_us: int) -> bool:
        """Whether the call at hand has ended now, because it was lost for too long."""
        if self._session is None:
            return False
        if self._lost_us is None and now_us >= self._alive_until_us:
            self._lost_us = self._alive_until_us
        if self._lost_us is not None and now_us - self._lost_us >= RETURN_US:
            self.end()
            return True
        return False
