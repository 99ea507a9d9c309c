"""A line: the two ends, at two servers, of one WebSocket or request that one forwards to the other."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

UNHEARD = 1024
"""Words that may wait to be heard on one line, until it is given up."""
ABNORMAL = 1006
SERVICE_RESTART = 1012
TRY_AGAIN = 1013
Word = tuple[str, Any]


class LineLost(ConnectionError):
    """The server at the other end, or the way to it, is gone."""


class OtherServer(Protocol):
    """What a line needs of the server at its other end."""

    async def say(self, id: str, kind: str, data: Any) -> None:
        """Until it is in the other server's stream. Raises LineLost."""
        ...

    def mention(self, id: str, kind: str, data: Any) -> None:
        """Say it some time; that it may be lost does not matter."""
        ...

    def forget(self, line: Line) -> None:
        """Nothing that is said on this line matters any more."""
        ...


class Line:
    """One end. What is said on it comes in order and once, or the line is lost, at both ends."""

    def __init__(self, other: OtherServer, id: str) -> None:
        self.id, self._other = id, other
        self._unheard: asyncio.Queue[Word] = asyncio.Queue()
        self._ended: Word | None = None

    @property
    def lost(self) -> bool:
        """No more is said on it, nor heard."""
        return self._ended is not None

    async def say(self, kind: str, data: Any = None) -> None:
        """Until it is in the other server's stream. Raises LineLost."""
        if self.lost:
            raise LineLost("The line is lost.")
        await self._other.say(self.id, kind, data)

    async def hear(self) -> Word:
        """The next word and what belongs to it. The last one of a line, again and again, is `lost` with the
        code that a WebSocket is to be closed with."""
        if self._ended is not None and self._unheard.empty():
            return self._ended
        return await self._unheard.get()

    def heard(self, kind: str, data: Any) -> None:
        """The other end has said this."""
        if self.lost:
            return
        if self._unheard.qsize() >= UNHEARD:
            self.abort()
        else:
            self._unheard.put_nowait((kind, data))

    def lose(self, code: int) -> None:
        """No more comes over this line."""
        if self._ended is None:
            self._ended = ("lost", code)
            self._unheard.put_nowait(self._ended)
        self._other.forget(self)

    def abort(self) -> None:
        """Give it up, at both ends."""
        self._other.mention(self.id, "lost", TRY_AGAIN)
        self.lose(TRY_AGAIN)

    def hang_up(self) -> None:
        """Whatever the other end still does for it is not needed any more."""
        if not self.lost:
            self._other.mention(self.id, "gone", ABNORMAL)
        self.lose(ABNORMAL)

    def close(self) -> None:
        """Everything was said."""
        self.lose(ABNORMAL)
