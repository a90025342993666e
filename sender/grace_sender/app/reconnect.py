"""When to call, when to call again, and when to give up. Pure: it is told what happens, and answers with actions.

    WAITING --due--> CALLING --connected--> CONNECTED --lost, or silent too long--> WAITING ...

aiortc alone notices a dead peer only after 30 s (RFC 7675 consent: six checks 5 s apart), hence the watch over silence.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

STEADY_US: Final = 10_000_000
"""A call that lasted this long was a good one: the next wait is the first one again."""


class Phase(Enum):
    """Of a caller: between two calls, placing one, in one, or done."""

    WAITING = "waiting"
    CALLING = "calling"
    CONNECTED = "connected"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class PlaceCall:
    """Place a call; `attempt` counts from 1 since the last good one."""

    at_us: int
    attempt: int


@dataclass(frozen=True, slots=True)
class DropCall:
    """Let go of the present call, if there is one, and tell people why. The next one is placed after `wait_us`."""

    at_us: int
    reason: str
    wait_us: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End: there will be no further call."""

    at_us: int
    reason: str


Action = PlaceCall | DropCall | GiveUp


@dataclass(frozen=True, slots=True)
class ReconnectConfig:
    """`silence_us`: nothing from the peer for so long means that it is gone. An attempt has `first_attempt_us` to get
    connected, each further one half as much again: ICE asks ever more rarely, so that a new attempt is what finds a
    link that has come back. `give_up_us`: without a call for so long, end (None: never)."""

    silence_us: int = 5_000_000
    first_attempt_us: int = 4_000_000
    longest_attempt_us: int = 15_000_000
    first_wait_us: int = 300_000
    longest_wait_us: int = 5_000_000
    give_up_us: int | None = None


class Reconnect:
    """The machine of one caller. Each wait is twice the last one, made up to a quarter longer or shorter at random:
    callers who lost their calls together do not come back together."""

    def __init__(self, config: ReconnectConfig, generator: random.Random, now_us: int) -> None:
        self._config = config
        self._random = generator
        self._phase = Phase.WAITING
        self._due_us = now_us
        self._since_us = now_us  # of the phase CONNECTED, or without a call since
        self._attempt = 0
        self._wait_us = config.first_wait_us
        self._actions: deque[Action] = deque()

    @property
    def phase(self) -> Phase:
        """The present phase."""
        return self._phase

    def next_action(self) -> Action | None:
        """The oldest action that was not taken yet, or None."""
        return self._actions.popleft() if self._actions else None

    def get_timer(self) -> int | None:
        """When `handle_timer` wants to be called."""
        if self._phase is Phase.ENDED:
            return None
        end_us = self._give_up_at_us()
        return self._due_us if end_us is None else min(self._due_us, end_us)

    def handle_timer(self, now_us: int) -> None:
        """Act on time that has passed: place a call, lose one that is silent, or give up."""
        end_us = self._give_up_at_us()
        if end_us is not None and now_us >= end_us:
            self._end(f"no call for {(now_us - self._since_us) / 1e6:.0f} s", now_us)
        elif now_us < self._due_us:
            return
        elif self._phase is Phase.WAITING:
            self._attempt += 1
            self._enter(Phase.CALLING, now_us + self._attempt_us())
            self._actions.append(PlaceCall(now_us, self._attempt))
        elif self._phase is Phase.CALLING:
            self._lose(f"not connected after {self._attempt_us() / 1e6:g} s", now_us)
        elif self._phase is Phase.CONNECTED:
            self._lose(f"nothing from the peer for {self._config.silence_us / 1e6:g} s", now_us)

    def on_connected(self, now_us: int) -> None:
        """The call that was placed is connected."""
        if self._phase is Phase.CALLING:
            self._enter(Phase.CONNECTED, now_us + self._config.silence_us)
            self._since_us = now_us

    def on_alive(self, now_us: int) -> None:
        """Something came from the peer over the call."""
        if self._phase is Phase.CONNECTED:
            self._due_us = now_us + self._config.silence_us

    def on_lost(self, reason: str, now_us: int) -> None:
        """The call, or the attempt, failed."""
        if self._phase in (Phase.CALLING, Phase.CONNECTED):
            self._lose(reason, now_us)

    def on_refused(self, reason: str, now_us: int) -> None:
        """The peer will not take this call, however often it is placed."""
        if self._phase is not Phase.ENDED:
            self._end(reason, now_us)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _enter(self, phase: Phase, due_us: int) -> None:
        self._phase, self._due_us = phase, due_us

    def _lose(self, reason: str, now_us: int) -> None:
        if self._phase is Phase.CONNECTED:
            if now_us - self._since_us >= STEADY_US:
                self._attempt, self._wait_us = 0, self._config.first_wait_us
            self._since_us = now_us
        wait_us = round(self._wait_us * self._random.uniform(0.75, 1.25))
        self._wait_us = min(2 * self._wait_us, self._config.longest_wait_us)
        self._enter(Phase.WAITING, now_us + wait_us)
        self._actions.append(DropCall(now_us, reason, wait_us))

    def _attempt_us(self) -> int:
        """How long the present attempt may take."""
        config = self._config
        return round(min(config.first_attempt_us * 1.5 ** min(self._attempt - 1, 20), config.longest_attempt_us))

    def _end(self, reason: str, now_us: int) -> None:
        self._phase = Phase.ENDED
        self._actions.append(GiveUp(now_us, reason))

    def _give_up_at_us(self) -> int | None:
        if self._config.give_up_us is None or self._phase in (Phase.CONNECTED, Phase.ENDED):
            return None
        return self._since_us + self._config.give_up_us
