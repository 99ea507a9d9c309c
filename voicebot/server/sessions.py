"""Browsers by their cookie: an opaque secret of 256 bits, of which only a hash is kept."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicebot.clock import Clock
from voicebot.server.outbox import Outbox
from voicebot.signaling.messages import Message, SessionExpired
from voicebot.signaling.session import SESSION_SECONDS, Session
from voicebot.store.base import SessionRecord, Store

if TYPE_CHECKING:
    from voicebot.server.served_lobby import ServedLobby

UNAUTHENTICATED = 4401
REPLACED = 4409


@dataclass
class Seat:
    """A browser's place in a lobby."""

    lobby: ServedLobby
    participant_id: str


@dataclass(eq=False)
class Browser:
    """One browser: its session, the socket that counts (if any), its seat in a lobby."""

    session: Session
    clock: Clock
    outbox: Outbox | None = None
    seat: Seat | None = None

    def attach(self, outbox: Outbox) -> int:
        """A new socket takes over; the one before is closed with 4409."""
        if self.outbox is not None:
            self.outbox.close(REPLACED, "opened in another tab")
        self.outbox = outbox
        return self.session.attach()

    def detach(self, fence: int) -> bool:
        """A socket closed; True when it was the one that counts."""
        counted = self.session.detach(fence)
        if counted:
            self.outbox = None
        return counted

    def expire(self) -> None:
        """The session is over: say so, close the socket with 4401, and free the seat."""
        self.session.expire()
        if self.outbox is not None:
            self.outbox.put(SessionExpired())
            self.outbox.close(UNAUTHENTICATED, "session expired")
        if self.seat is not None:
            self.seat.lobby.leave(self)

    def send(self, message: Message) -> None:
        """Stamp, keep for a replay, and queue it when a socket is there. Never waits."""
        stamped = self.session.stamp(message, self.clock())
        if self.outbox is not None and self.session.live:
            self.outbox.put(stamped)

    def send_unstamped(self, message: Message) -> None:
        """Queue what only this socket is told: pong and the session's own messages."""
        if self.outbox is not None:
            self.outbox.put(message)


class Sessions:
    """All sessions of this server; records live in the store, running state in memory."""

    def __init__(self, store: Store, clock: Clock, wall: Callable[[], float] = time.time) -> None:
        self._store, self._clock, self._wall = store, clock, wall
        self._browsers: dict[str, Browser] = {}

    async def create(self) -> tuple[str, Browser]:
        """A new session; returns the cookie's secret, which is not kept, and the browser."""
        self._sweep()
        secret, handle = secrets.token_urlsafe(32), f"s-{secrets.token_hex(8)}"
        key = _key(secret)
        browser = Browser(Session(handle, self._clock()), self._clock)
        await self._store.put_session(SessionRecord(key, handle, self._wall() + SESSION_SECONDS))
        self._browsers[key] = browser
        return secret, browser

    async def find(self, secret: str | None) -> Browser | None:
        """The browser of this cookie, also when its session has expired; None when unknown."""
        if not secret:
            return None
        key = _key(secret)
        browser = self._browsers.get(key)
        if browser is not None:
            return browser
        record = await self._store.get_session(key)
        if record is None:
            return None
        left = record.expires - self._wall()
        if left <= 0:
            await self._store.delete_session(record.handle)
            return None
        browser = self._browsers.setdefault(
            key, Browser(Session(record.handle, self._clock(), left), self._clock)
        )
        return browser

    async def valid(self, secret: str | None) -> Browser | None:
        """The browser of this cookie if its session has not expired."""
        browser = await self.find(secret)
        return None if browser is None or browser.session.expired(self._clock()) else browser

    def _sweep(self) -> None:
        """Forget expired sessions that nobody uses."""
        now = self._clock()
        for key, browser in list(self._browsers.items()):
            if browser.session.expired(now) and browser.outbox is None and browser.seat is None:
                del self._browsers[key]


def _key(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
