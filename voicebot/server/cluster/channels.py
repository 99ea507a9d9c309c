"""Channels to another server. Each carries one WebSocket or request that one server forwards to the other."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from voicebot.errors import StoreError
from voicebot.server.net.close_codes import CloseCode

logger = logging.getLogger(__name__)

UNREAD = 1024
"""Items that may wait to be read on one channel. One more aborts the channel."""
BATCH = 64 * 1024
"""Characters after which a stream entry is full."""
Item = tuple[str, Any]


class ChannelLost(ConnectionError):
    """The server at the other end is gone or cannot be reached."""


class Channel:
    """One end of a channel. Items arrive once and in order, or both ends lose the channel."""

    def __init__(self, other: Neighbour, id: str) -> None:
        self.id, self._other = id, other
        self._unread: asyncio.Queue[Item] = asyncio.Queue()
        self._ended: Item | None = None

    @property
    def lost(self) -> bool:
        """Whether the channel is over: nothing more is sent or received."""
        return self._ended is not None

    async def send(self, kind: str, data: Any = None) -> None:
        """Send an item; returns once it is in the other server's stream.

        Raises:
            ChannelLost: the other server is gone or cannot be reached.
        """
        if self.lost:
            raise ChannelLost("The channel is lost.")
        await self._other.send(self.id, kind, data)

    async def receive(self) -> Item:
        """Wait for the next item, and return its kind and its data.

        The last item of a channel is `lost`, with the code to close the WebSocket with. Every further call
        returns it again.
        """
        if self._ended is not None and self._unread.empty():
            return self._ended
        return await self._unread.get()

    def deliver(self, kind: str, data: Any) -> None:
        """Queue an item that the other end has sent."""
        if self.lost:
            return
        if self._unread.qsize() >= UNREAD:
            self.abort()
        else:
            self._unread.put_nowait((kind, data))

    def lose(self, code: int) -> None:
        """End this channel here, because nothing more will arrive; `code` closes its WebSocket."""
        if self._ended is None:
            self._ended = ("lost", code)
            self._unread.put_nowait(self._ended)
        self._other.forget(self)

    def abort(self) -> None:
        """End the channel at both ends, because it has failed."""
        self._other.post(self.id, "lost", CloseCode.TRY_AGAIN)
        self.lose(CloseCode.TRY_AGAIN)

    def abandon(self) -> None:
        """Tell the other end to stop working for this channel."""
        if not self.lost:
            self._other.post(self.id, "gone", CloseCode.ABNORMAL)
        self.lose(CloseCode.ABNORMAL)

    def close(self) -> None:
        """Close the channel after both ends have finished."""
        self.lose(CloseCode.ABNORMAL)


class Neighbour:
    """Another server on the same store, and the channels to it.

    `append(data)` writes to its stream. Entries are numbered in both directions, to detect gaps.
    """

    def __init__(self, me: str, append: Callable[[bytes], Awaitable[object]], now: float) -> None:
        self._me, self._append = me, append
        self.channels: dict[str, Channel] = {}
        self.opened: set[str] = set()
        """Ids of the channels that this server opened."""
        self.last_heard = now
        self._next: int | None = None
        self._number = 0
        self._queue: deque[tuple[list[Any], asyncio.Future[None] | None]] = deque()
        self._sending: asyncio.Task[None] | None = None

    def open(self, id: str) -> Channel:
        """Open a channel. The caller must first send `open` on it."""
        if not self.channels:  # no channel of ours has missed anything
            self._next = None
        self.opened.add(id)
        return self.answer(id)

    def answer(self, id: str) -> Channel:
        """Return this end of a channel that the other server opened."""
        channel = self.channels[id] = Channel(self, id)
        return channel

    def follows(self, number: int) -> bool:
        """Whether the entry with this number directly follows the last one, so that none is missing."""
        expected, self._next = self._next, number + 1
        return expected is None or number == expected

    def compare(self, theirs: list[str]) -> list[str]:
        """Lose the channels that the other server no longer has. Returns the ids that are unknown here."""
        for id in self.channels.keys() - self.opened - set(theirs):
            self.channels[id].lose(CloseCode.TRY_AGAIN)
        return [id for id in theirs if id not in self.channels]

    def lose(self, code: int) -> None:
        """Lose all channels."""
        for channel in list(self.channels.values()):
            channel.lose(code)

    async def send(self, id: str, kind: str, data: Any) -> None:
        """Send an item on the channel `id`; returns once it is in the other server's stream.

        Raises:
            ChannelLost: the other server is gone or cannot be reached.
        """
        done = asyncio.get_running_loop().create_future()
        self._put(id, kind, data, done)
        await done

    def post(self, id: str, kind: str, data: Any) -> None:
        """Send the item later. It may get lost."""
        self._put(id, kind, data, None)

    def forget(self, channel: Channel) -> None:
        """Ignore whatever still comes for this channel."""
        if self.channels.get(channel.id) is channel:
            del self.channels[channel.id]
            self.opened.discard(channel.id)

    async def aclose(self) -> None:
        """Wait until the queue is written."""
        if self._sending is not None:
            await asyncio.gather(self._sending, return_exceptions=True)

    def _put(self, id: str, kind: str, data: Any, done: asyncio.Future[None] | None) -> None:
        self._queue.append(([id, kind, data], done))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.get_running_loop().create_task(
                self._send(), name="write to another server"
            )

    async def _send(self) -> None:
        """Write the queue. All items that arrive during one write share the next entry."""
        while self._queue:
            items, waiting, size = [], [], 0
            while self._queue and size < BATCH:
                item, done = self._queue.popleft()
                items.append(item)
                waiting.append(done)
                size += len(item[2]) if isinstance(item[2], str) else 0
            entry = {"from": self._me, "number": self._number, "words": items}
            try:
                await self._append(json.dumps(entry).encode())
            except Exception as error:
                if isinstance(error, StoreError):
                    logger.debug("Another server cannot be reached: %s", error)
                else:
                    logger.exception("Writing to another server failed")
                waiting += [done for _, done in self._queue]
                self._queue.clear()
                _settle(waiting, ChannelLost(str(error)))
                self.lose(CloseCode.TRY_AGAIN)
                return
            self._number += 1  # only now: a failed entry may have arrived, and its number then comes twice
            _settle(waiting, None)


def _settle(waiting: list[asyncio.Future[None] | None], error: Exception | None) -> None:
    for one in waiting:
        if one is None or one.done():
            continue
        if error is None:
            one.set_result(None)
        else:
            one.set_exception(error)
