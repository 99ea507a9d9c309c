"""Draining: before the server stops it admits nobody new and lets the people in it finish."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable

from voicebot.clock import Clock
from voicebot.errors import SignalingError
from voicebot.lobby.lobby import Lobby
from voicebot.signaling.messages import GoingAway, GoingAwayData

SPEECH_SECONDS = 5.0
"""How long agents may finish what they are saying after the drain has timed out."""
RETRY_AFTER = 5
"""Seconds from the stop until another server is likely to be up."""


class Drain:
    """Whether the server is draining, and until when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: float | None = None
        self._returning = False

    @property
    def active(self) -> bool:
        """Whether the server is draining."""
        return self._until is not None

    @property
    def seconds_left(self) -> float:
        """Seconds until the sockets close; 0 if the time is up."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    @property
    def retry_after(self) -> int:
        """Whole seconds for the Retry-After header."""
        return math.ceil(self.seconds_left) + RETRY_AFTER

    def begin(self, seconds: float, *, returning: bool) -> None:
        """Admit nobody from now on. Sockets close in `seconds`; `returning` says that seats are kept."""
        self._until, self._returning = self._clock() + seconds, returning

    def end(self) -> None:
        """Admit people again."""
        self._until = None

    def admit(self) -> None:
        """Raise SignalingError (`draining`) if the server is draining."""
        if self.active:
            raise SignalingError(
                "The server is about to stop, so nobody new can join.",
                hint="Try again in a moment.",
                code="draining",
                retryable=True,
            )

    def going_away(self) -> GoingAway:
        """The message that everybody in a lobby gets."""
        return GoingAway(data=GoingAwayData(seconds=round(self.seconds_left, 1), returning=self._returning))

    async def wait(self, lobbies: Callable[[], Iterable[Lobby]]) -> None:
        """Wait until no people are left, or time is up and agents have finished speaking."""
        if not self.seconds_left:
            return
        if not await _until(lobbies, lambda lobby: bool(lobby.humans), self.seconds_left):
            await _until(
                lobbies, lambda lobby: any(a.state == "speaking" for a in lobby.agents), SPEECH_SECONDS
            )


async def _until(
    lobbies: Callable[[], Iterable[Lobby]], busy: Callable[[Lobby], bool], seconds: float
) -> bool:
    """Wait at most `seconds` until no lobby is `busy`. Returns False on timeout."""
    changed = asyncio.Event()
    watched = [lobby.subscribe(lambda event: changed.set()) for lobby in lobbies()]
    try:
        async with asyncio.timeout(seconds):
            while any(busy(lobby) for lobby in lobbies()):
                await changed.wait()
                changed.clear()
        return True
    except TimeoutError:
        return False
    finally:
        for unsubscribe in watched:
            unsubscribe()
