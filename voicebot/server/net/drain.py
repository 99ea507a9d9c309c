"""Stopping in good order: nobody new comes in, those who are here finish."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable

from voicebot.clock import Clock
from voicebot.errors import SignalingError
from voicebot.lobby.lobby import Lobby
from voicebot.signaling.messages import GoingAway, GoingAwayData

SENTENCE = 5.0
"""Seconds that agents get to finish what they are saying, once the time is over."""
RETRY_AFTER = 5
"""Seconds after the end in which another server is likely to be there."""


class Drain:
    """Whether the server still takes people, and if not, until when it goes on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: float | None = None
        self._returning = False

    @property
    def active(self) -> bool:
        return self._until is not None

    @property
    def seconds_left(self) -> float:
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    @property
    def retry_after(self) -> int:
        """For the header of that name."""
        return math.ceil(self.seconds_left) + RETRY_AFTER

    def begin(self, seconds: float, *, returning: bool) -> None:
        """From now on nobody new; sockets close in `seconds`. With `returning` seats are kept."""
        self._until, self._returning = self._clock() + seconds, returning

    def over(self) -> None:
        """The server may be used again."""
        self._until = None

    def admit(self) -> None:
        """Someone new wants in. Raises SignalingError (`draining`) when nobody is taken any more."""
        if self.active:
            raise SignalingError(
                "The server is about to stop and takes nobody new.",
                hint="Try again in a moment.",
                code="draining",
                retryable=True,
            )

    def farewell(self) -> GoingAway:
        """What those who are here are told."""
        return GoingAway(data=GoingAwayData(seconds=round(self.seconds_left, 1), returning=self._returning))

    async def wait(self, lobbies: Callable[[], Iterable[Lobby]]) -> None:
        """Until no people are left, or the time is over and agents have finished what they say."""
        if not self.seconds_left:
            return
        if not await _until(lobbies, _people, self.seconds_left):
            await _until(lobbies, _speaking, SENTENCE)


def _people(lobby: Lobby) -> bool:
    return bool(lobby.humans)


def _speaking(lobby: Lobby) -> bool:
    return any(agent.state == "speaking" for agent in lobby.agents)


async def _until(
    lobbies: Callable[[], Iterable[Lobby]], busy: Callable[[Lobby], bool], seconds: float
) -> bool:
    """Wait at most `seconds` until no lobby is `busy` any more; returns whether that was reached."""
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
