"""Another server on the same store, and the lines to it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from voicebot.errors import StoreError
from voicebot.server.cluster.channels import Channel, ChannelLost
from voicebot.server.net.close_codes import CloseCode

logger = logging.getLogger(__name__)

BATCH = 64 * 1024
"""Characters after which what is said goes into another entry of the stream."""


class Neighbour:
    """`append(data)` writes to its stream. What goes there is numbered, so that it knows when something
    is missing; and so is what comes from there."""

    def __init__(self, me: str, append: Callable[[bytes], Awaitable[object]], now: float) -> None:
        self._me, self._append = me, append
        self.channels: dict[str, Channel] = {}
        self.opened: set[str] = set()
        """Ids of lines that were opened from here."""
        self.heard_at = now
        self._next: int | None = None
        self._number = 0
        self._unsaid: deque[tuple[list[Any], asyncio.Future[None] | None]] = deque()
        self._sending: asyncio.Task[None] | None = None

    def open(self, id: str) -> Channel:
        """A new channel from here; what is said first on it must be `open`."""
        if not self.channels:  # whatever was missing until now belonged to others
            self._next = None
        self.opened.add(id)
        return self.answer(id)

    def answer(self, id: str) -> Channel:
        """The end of a channel that was opened there."""
        channel = self.channels[id] = Channel(self, id)
        return channel

    def follows(self, number: int) -> bool:
        """Whether nothing is missing between this entry and the one before."""
        expected, self._next = self._next, number + 1
        return expected is None or number == expected

    def compare(self, theirs: list[str]) -> list[str]:
        """Lose the lines that the other end has opened and does not have any more; the ids of those that
        it has, and that are not here."""
        for id in self.channels.keys() - self.opened - set(theirs):
            self.channels[id].lose(CloseCode.TRY_AGAIN)
        return [id for id in theirs if id not in self.channels]

    def lose(self, code: int) -> None:
        """All lines to it are lost."""
        for channel in list(self.channels.values()):
            channel.lose(code)

    async def send(self, id: str, kind: str, data: Any) -> None:
        """Raises ChannelLost."""
        done = asyncio.get_running_loop().create_future()
        self._put(id, kind, data, done)
        await done

    def post(self, id: str, kind: str, data: Any) -> None:
        self._put(id, kind, data, None)

    def forget(self, channel: Channel) -> None:
        if self.channels.get(channel.id) is channel:
            del self.channels[channel.id]
            self.opened.discard(channel.id)

    async def aclose(self) -> None:
        """Say what is to be said, and no more."""
        if self._sending is not None:
            await asyncio.gather(self._sending, return_exceptions=True)

    def _put(self, id: str, kind: str, data: Any, done: asyncio.Future[None] | None) -> None:
        self._unsaid.append(([id, kind, data], done))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.get_running_loop().create_task(self._send(), name="say to another server")

    async def _send(self) -> None:
        """What was said while an entry was written goes into the next one together."""
        while self._unsaid:
            words, waiting, size = [], [], 0
            while self._unsaid and size < BATCH:
                word, done = self._unsaid.popleft()
                words.append(word)
                waiting.append(done)
                size += len(word[2]) if isinstance(word[2], str) else 0
            entry = {"from": self._me, "number": self._number, "words": words}
            try:
                await self._append(json.dumps(entry).encode())
            except Exception as error:
                if isinstance(error, StoreError):
                    logger.debug("Another server is not reached: %s", error)
                else:
                    logger.exception("What is to be said to another server cannot be written")
                waiting += [done for _, done in self._unsaid]
                self._unsaid.clear()
                _settle(waiting, ChannelLost(str(error)))
                self.lose(CloseCode.TRY_AGAIN)
                return
            self._number += 1  # one that failed and is there after all has its number twice
            _settle(waiting, None)


def _settle(waiting: list[asyncio.Future[None] | None], error: Exception | None) -> None:
    for one in waiting:
        if one is None or one.done():
            continue
        if error is None:
            one.set_result(None)
        else:
            one.set_exception(error)
