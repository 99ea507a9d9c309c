"""A channel carries one WebSocket or request that one server forwards to another."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from voicebot.server.net.close_codes import CloseCode

UNREAD = 1024
"""Items that may wait to be read on one channel. One more aborts the channel."""
Item = tuple[str, Any]


class ChannelLost(ConnectionError):
    """The server at the other end is gone or cannot be reached."""


class OtherServer(Protocol):
    """The server at the other end of a channel."""

    async def send(self, id: str, kind: str, data: Any) -> None:
        """Return once the item is in the other server's stream. Raises ChannelLost."""
        ...

    def post(self, id: str, kind: str, data: Any) -> None:
        """Send the item later. It may get lost."""
        ...

    def forget(self, channel: Channel) -> None:
        """Ignore whatever still comes for this channel."""
        ...


class Channel:
    """One of the two ends. Items arrive once and in order, or both ends lose the channel."""

    def __init__(self, other: OtherServer, id: str) -> None:
        self.id, self._other = id, other
        self._unread: asyncio.Queue[Item] = asyncio.Queue()
        self._ended: Item | None = None

    @property
    def lost(self) -> bool:
        """Nothing more is sent or received."""
        return self._ended is not None

    async def send(self, kind: str, data: Any = None) -> None:
        """Return once the item is in the other server's stream. Raises ChannelLost."""
        if self.lost:
            raise ChannelLost("The channel is lost.")
        await self._other.send(self.id, kind, data)

    async def receive(self) -> Item:
        """The next item: its kind and its data.

        The last item of a channel is `lost`, with the code to close the WebSocket with. It is returned
        again on every further call.
        """
        if self._ended is not None and self._unread.empty():
            return self._ended
        return await self._unread.get()

    def deliver(self, kind: str, data: Any) -> None:
        """Queue what the other end has sent."""
        if self.lost:
            return
        if self._unread.qsize() >= UNREAD:
            self.abort()
        else:
            self._unread.put_nowait((kind, data))

    def lose(self, code: int) -> None:
        """Nothing more comes over this channel."""
        if self._ended is None:
            self._ended = ("lost", code)
            self._unread.put_nowait(self._ended)
        self._other.forget(self)

    def abort(self) -> None:
        """Give the channel up at both ends."""
        self._other.post(self.id, "lost", CloseCode.TRY_AGAIN)
        self.lose(CloseCode.TRY_AGAIN)

    def abandon(self) -> None:
        """Tell the other end to stop working for this channel."""
        if not self.lost:
            self._other.post(self.id, "gone", CloseCode.ABNORMAL)
        self.lose(CloseCode.ABNORMAL)

    def close(self) -> None:
        """Both ends are done."""
        self.lose(CloseCode.ABNORMAL)
