"""What waits to be written to one socket: bounded, and states coalesce to the newest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from voicebot.server.net.close_codes import CloseCode
from voicebot.signaling.written import Written


@dataclass(frozen=True)
class Close:
    """The socket is to be closed with this code, after everything before it was written."""

    code: int
    reason: str = ""


@dataclass
class _Entry:
    text: str | None
    """None once a newer state has replaced it."""
    about: tuple[str, ...] | None


class Outbox:
    """A queue with one reader (the socket's writer task) and writers that never wait."""

    def __init__(
        self,
        max_messages: int = 256,
        max_bytes: int = 512 * 1024,
        *,
        on_put: Callable[[Written], None] = lambda message: None,
    ) -> None:
        """`on_put` is called with each message that is queued."""
        self._max_messages, self._max_bytes, self._on_put = max_messages, max_bytes, on_put
        self._entries: deque[_Entry] = deque()
        self._latest: dict[tuple[str, ...], _Entry] = {}
        self._messages = self._bytes = 0
        self._close: Close | None = None
        self._ready = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Messages that wait to be written."""
        return self._messages

    def put(self, message: Written, seq: int | None = None) -> None:
        """Queue a message under this `seq`; a reader that is too slow is closed with 4408 instead."""
        if self._close is not None:
            return
        self._on_put(message)
        text, about = message.numbered(seq), message.about
        old = self._latest.get(about) if about else None
        if old is not None and old.text is not None:
            self._messages, self._bytes, old.text = self._messages - 1, self._bytes - len(old.text), None
        entry = _Entry(text, about)
        if about:
            self._latest[about] = entry
        self._entries.append(entry)
        self._messages, self._bytes = self._messages + 1, self._bytes + len(text)
        if self._messages > self._max_messages or self._bytes > self._max_bytes:
            self._entries.clear()
            self._messages = self._bytes = 0
            self.close(CloseCode.TOO_SLOW, "too slow")
        self._ready.set()

    def close(self, code: int, reason: str = "") -> None:
        """Close the socket after what is queued; the first call counts."""
        if self._close is None:
            self._close = Close(code, reason)
        self._ready.set()

    async def get(self) -> str | Close:
        """The next text to write, or that the socket is to be closed."""
        while True:
            while self._entries:
                entry = self._entries.popleft()
                if entry.about and self._latest.get(entry.about) is entry:
                    del self._latest[entry.about]
                if entry.text is not None:
                    self._messages, self._bytes = self._messages - 1, self._bytes - len(entry.text)
                    return entry.text
            if self._close is not None:
                return self._close
            self._ready.clear()
            await self._ready.wait()
