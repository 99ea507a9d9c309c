"""The bounded queue of messages for one socket. A newer state replaces an older one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from voicebot.server.net.close_codes import CloseCode
from voicebot.signaling.written import Written


@dataclass(frozen=True)
class Close:
    """Close the socket with this code."""

    code: int
    reason: str = ""


@dataclass
class _Entry:
    text: str | None
    """None if a newer state has replaced it."""
    state_key: tuple[str, ...] | None


class Outbox:
    """The queued messages for one socket. Its writer task reads them; `put` never waits."""

    def __init__(
        self,
        max_messages: int = 256,
        max_bytes: int = 512 * 1024,
        *,
        on_put: Callable[[Written], None] = lambda message: None,
    ) -> None:
        """`on_put` is called with each queued message."""
        self._max_messages, self._max_bytes, self._on_put = max_messages, max_bytes, on_put
        self._entries: deque[_Entry] = deque()
        self._latest: dict[tuple[str, ...], _Entry] = {}
        self._messages = self._bytes = 0
        self._close: Close | None = None
        self._ready = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Number of queued messages."""
        return self._messages

    def put(self, message: Written, seq: int | None = None) -> None:
        """Queue a message with this `seq`. If the queue is full, drop everything and close with 4408."""
        if self._close is not None:
            return
        self._on_put(message)
        text, key = message.numbered(seq), message.state_key
        old = self._latest.get(key) if key else None
        if old is not None and old.text is not None:
            self._messages, self._bytes, old.text = self._messages - 1, self._bytes - len(old.text), None
        entry = _Entry(text, key)
        if key:
            self._latest[key] = entry
        self._entries.append(entry)
        self._messages, self._bytes = self._messages + 1, self._bytes + len(text)
        if self._messages > self._max_messages or self._bytes > self._max_bytes:
            self._entries.clear()
            self._messages = self._bytes = 0
            self.close(CloseCode.TOO_SLOW, "too slow")
        self._ready.set()

    def close(self, code: int, reason: str = "") -> None:
        """Close the socket after the queued messages. Only the first call has an effect."""
        if self._close is None:
            self._close = Close(code, reason)
        self._ready.set()

    async def get(self) -> str | Close:
        """Wait for the next text, or for the close that ends the queue."""
        while True:
            while self._entries:
                entry = self._entries.popleft()
                if entry.state_key and self._latest.get(entry.state_key) is entry:
                    del self._latest[entry.state_key]
                if entry.text is not None:
                    self._messages, self._bytes = self._messages - 1, self._bytes - len(entry.text)
                    return entry.text
            if self._close is not None:
                return self._close
            self._ready.clear()
            await self._ready.wait()
