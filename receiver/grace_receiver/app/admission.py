"""Who may call: one call at a time; whoever comes back may always. Pure: it is told what happens, and decides."""

from __future__ import annotations

from enum import Enum
from typing import Final

SILENT_US: Final = 4_000_000
"""After so long without a packet the call is lost. Shorter than a sender waits until it calls again (`Reconnect`)."""
ATTEMPT_US: Final = 15_000_000  # how long a call that was answered may take to get connected
RETURN_US: Final = 20_000_000
"""A lost call may come back within this time; then it has ended."""


class Decision(Enum):
    """The answer to an offer: a new call, the present caller again, or a refusal because another call is going on."""

    ACCEPT = "accept"
    REPLACE = "replace"
    REFUSE = "refuse"


class CallAdmission:
    """Knows the present call, by the name of its session, and whether it is alive."""

    def __init__(self) -> None:
        self._session: str | None = None
        self._alive_until_us = 0
        self._lost_us: int | None = None

    @property
    def session(self) -> str | None:
        """The present call; a lost one stays until it has ended."""
        return self._session

    @property
    def lost(self) -> bool:
        """Whether nothing comes from the present call any more."""
        return self._lost_us is not None

    def on_offer(self, session: str, now_us: int) -> Decision:
        """Someone calls. Unless refused, theirs is the present call from now on."""
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
        """The caller ends `session`. Returns whether that was the present call."""
        if self._session != session:
            return False
        self.end()
        return True

    def end(self) -> None:
        """There is no call any more."""
        self._session, self._lost_us = None, None

    def handle_timer(self, now_us: int) -> bool:
        """Returns whether the present call has ended now, because it was lost for too long."""
        if self._session is None:
            return False
        if self._lost_us is None and now_us >= self._alive_until_us:
            self._lost_us = self._alive_until_us
        if self._lost_us is not None and now_us - self._lost_us >= RETURN_US:
            self.end()
            return True
        return False
