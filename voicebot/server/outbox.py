"""What waits to be written to one socket: bounded, and states coalesce to the newest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from voicebot.signaling.messages import (
    AgentStateChanged,
    Knocking,
    LobbyState,
    Message,
    ParticipantUpdated,
    Transcript,
)

TOO_SLOW = 4408


@dataclass(frozen=True)
class Close:
    """The socket is to be closed with this code, after everything before it was written."""

    code: int
    reason: str = ""


@dataclass
class _Entry:
    text: str | None
    """None once a newer state has replaced it."""
    key: tuple[str, ...] | None


class Outbox:
    """A queue with one reader (the socket's writer task) and writers that never wait."""

    def __init__(
        self,
        max_messages: int = 256,
        max_bytes: int = 512 * 1024,
        *,
        on_put: Callable[[Message], None] = lambda message: None,
    ) -> None:
        """`on_put` is called with each message that is queued."""
        self._max_messages, self._max_bytes, self._on_put = max_messages, max_bytes, on_put
        self._entries: deque[_Entry] = deque()
        self._latest: dict[tuple[str, ...], _Entry] = {}
        self._messages = self._bytes = 0
        self._close: Close | None = None
        self._ready = asyncio.Event()

    def put(self, message: Message, seq: int | None = None, text: str | None = None) -> None:
        """Queue a message under this `seq`; a reader that is too slow is closed with 4408 instead.

        `text` is what `written` makes of the message, where it is told to many.
        """
        if self._close is not None:
            return
        self._on_put(message)
        text = text or written(message)
        if seq is not None:
            text = f'{{"seq":{seq},{text[1:]}'
        key = coalescing_key(message)
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
            self.close(TOO_SLOW, "too slow")
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
                if entry.key and self._latest.get(entry.key) is entry:
                    del self._latest[entry.key]
                if entry.text is not None:
                    self._messages, self._bytes = self._messages - 1, self._bytes - len(entry.text)
                    return entry.text
            if self._close is not None:
                return self._close
            self._ready.clear()
            await self._ready.wait()


def written(message: Message) -> str:
    """The message as it goes over the wire, but for its `seq`."""
    return message.model_dump_json(exclude_none=True)


def coalescing_key(message: Message) -> tuple[str, ...] | None:
    """Messages with the same key describe the same thing: only the newest matters."""
    match message:
        case LobbyState(lobby=lobby):
            return ("lobby_state", lobby)
        case Knocking(lobby=lobby):
            return ("knocking", lobby)
        case ParticipantUpdated(lobby=lobby, data=data):
            return ("participant_updated", lobby, data.participant.id)
        case AgentStateChanged(lobby=lobby, data=data):
            return ("agent_state", lobby, data.participant_id)
        case Transcript(lobby=lobby, data=data) if not data.final:
            return ("transcript", lobby, data.utterance_id)
        case _:
            return None
