"""Browsers by their cookie: an opaque secret of 256 bits, of which only a hash is kept."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from voicebot.clock import Clock
from voicebot.errors import StoreError
from voicebot.server.sessions.client_session import ClientSession
from voicebot.server.sessions.outbox import Outbox
from voicebot.server.sessions.writer import SessionWriter
from voicebot.signaling.messages import Message
from voicebot.signaling.session import SESSION_SECONDS, Session
from voicebot.store.base import SeatRecord, SessionRecord, Store
from voicebot.store.shared import shared

logger = logging.getLogger(__name__)

ROTATE_SECONDS = 3600.0
"""Age of a secret at which the next page load gives another one."""
OVERLAP_SECONDS = 60.0
"""How long the one before is good after the new one was first used."""
SWEEP_SECONDS = 60.0
IDLE_SECONDS = 300.0
"""After so long without socket and seat a session lives in the store alone."""
EXPIRED_SECONDS = 3600.0
"""How long after its end the store knows a session, to say so rather than that it is unknown."""
MAX_SECRET = 128


class Sessions:
    """All sessions of this server: running state in memory, records in the store.

    `wall` gives Unix seconds, `lifetime` is how long a session lasts, in seconds.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        wall: Callable[[], float] = time.time,
        *,
        lifetime: float = SESSION_SECONDS,
    ) -> None:
        self._store, self._clock, self._wall, self._lifetime = store, clock, wall, lifetime
        self._shared = shared(store)
        self._browsers: dict[str, ClientSession] = {}
        self._records: dict[str, SessionRecord] = {}
        self._handles: dict[str, str] = {}
        self._writer = SessionWriter(store, self._record, lambda lobby_id: self.token(lobby_id))
        self.token: Callable[[str], int | None] = lambda lobby_id: None
        """The fencing token of a lobby that is served here; set by who holds the leases."""
        self._sweeping: asyncio.Task[None] | None = None
        self._sweep_failed = False

    # ------------------------------------------------------------ running

    def start(self) -> None:
        """Begin to sweep expired sessions now and then."""
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().create_task(
                self._keep_sweeping(), name="sweep sessions"
            )

    async def aclose(self) -> None:
        """Write what waits to be written. What changes from now on, such as seats that are
        freed because the server ends, is not written any more."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
            self._sweeping = None
        await self._writer.aclose()

    async def flush(self) -> None:
        """Write now what waits to be written. A store that fails is logged, never raised."""
        await self._writer.flush()

    async def sweep(self) -> None:
        """End expired sessions; forget those that nobody uses, here and in the store."""
        now = self._clock()
        for handle, client in list(self._browsers.items()):
            session = client.session
            session.forget_old(now)
            if session.expired(now) and (client.seat is not None or client.outbox is not None):
                client.expire()
            in_use = client.sockets > 0 or client.outbox is not None or client.place is not None
            idle = now - client.idle_since >= IDLE_SECONDS and not self._writer.pending(handle)
            if not in_use and (session.expired(now) or idle):
                self._forget(handle)
        try:
            await self._store.sweep(self._wall() - EXPIRED_SECONDS)
            self._sweep_failed = False
        except StoreError as error:
            if not self._sweep_failed:
                logger.warning("Expired sessions cannot be deleted: %s %s", error, error.hint)
            self._sweep_failed = True

    async def _keep_sweeping(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
            except Exception:
                logger.exception("Sessions could not be swept")

    # ------------------------------------------------------------ who is it

    async def admit(self, secret: str | None) -> tuple[ClientSession, str | None]:
        """The browser of this cookie, a new one where there is no valid session.

        With it comes a secret to set as the cookie, when it is new or the present one is old.
        Raises StoreError when the store cannot tell.
        """
        client = await self.valid(secret)
        if client is None or secret is None:
            fresh, client = await self.create()
            return client, fresh
        return client, await self._rotate(client, _key(secret))

    async def create(self) -> tuple[str, ClientSession]:
        """A new session; returns the cookie's secret, which is not kept, and the browser."""
        secret, handle, now = secrets.token_urlsafe(32), f"s-{secrets.token_hex(8)}", self._wall()
        client = self._keep(SessionRecord(_key(secret), handle, now + self._lifetime, rotated=now))
        await self._writer.write(handle)
        return secret, client

    async def find(self, secret: str | None) -> ClientSession | None:
        """The browser of this cookie, also when its session has expired; None when unknown.

        Raises StoreError when the store cannot tell.
        """
        if not secret or len(secret) > MAX_SECRET:
            return None
        key = _key(secret)
        await self._look_up(key)
        handle = self._handles.get(key)
        return self._browsers[handle] if handle is not None and self._good(handle, key) else None

    async def _look_up(self, key: str) -> None:
        """Bring in what the store knows of this secret and memory does not. Raises StoreError."""
        known = self._handles.get(key)
        if known is None:
            record = await self._store.get_session(key)
            if record is not None and key in record.keys:
                self.restore(record)
        elif self._shared is not None:  # another server may have given out a new secret meanwhile
            await self.named(known)

    async def named(self, handle: str) -> ClientSession | None:
        """The browser of this public name, as the store knows it by now, or as it was known here while
        the store is away. Raises StoreError when it is not known here."""
        try:
            record = await self._shared.find_session(handle) if self._shared is not None else None
        except StoreError:
            if handle not in self._browsers:
                raise
        else:
            if record is not None:
                self.restore(record)
        return self._browsers.get(handle)

    async def seat_of(self, handle: str) -> SeatRecord | None:
        """Where a session sits, at whatever server. Raises StoreError."""
        record = await self._shared.find_session(handle) if self._shared is not None else None
        return record.seat if record is not None else None

    async def write(self, client: ClientSession) -> None:
        """Write it now. A store that fails is logged, never raised."""
        await self._writer.write(client.session.handle)

    def give_up(self, client: ClientSession) -> None:
        """Another server has its lobby, and the seat with it: it is not freed in the store."""
        self._writer.give_up(client.session.handle)

    async def valid(self, secret: str | None) -> ClientSession | None:
        """The browser of this cookie if its session has not expired. Raises StoreError."""
        client = await self.find(secret)
        return None if client is None or client.session.expired(self._clock()) else client

    def restore(self, record: SessionRecord) -> ClientSession:
        """The browser of a record from the store; the one there is, if it is known already.

        Its seat is for the caller to give: only who has restored the lobby can.
        """
        known = self._records.get(record.handle)
        if known is not None and (known.rotated, -known.previous_until) >= (
            record.rotated,
            -record.previous_until,
        ):
            return self._browsers[record.handle]
        self._writer.known(record)
        if known is not None:  # another server gave out a new secret meanwhile
            self._index(record)
            return self._browsers[record.handle]
        return self._keep(record)

    @property
    def count(self) -> int:
        """How many are in memory."""
        return len(self._browsers)

    @property
    def outboxes(self) -> list[Outbox]:
        """Of every browser that is connected now."""
        return [b.outbox for b in self._browsers.values() if b.outbox is not None]

    def tell(self, message: Message) -> None:
        """Tell every browser that is connected now."""
        for client in list(self._browsers.values()):
            client.send_unstamped(message)

    # ------------------------------------------------------------ records

    def _keep(self, record: SessionRecord) -> ClientSession:
        left = record.expires - self._wall()
        # microseconds since 1970: larger than any number of a life before, however much was sent in it
        session = Session(record.handle, self._clock(), max(0.0, left), seq=int(self._wall() * 1e6))
        client = ClientSession(session, self._clock, self._seat_changed)
        self._browsers[record.handle] = client
        self._index(record)
        return client

    def _index(self, record: SessionRecord) -> None:
        self._unindex(record.handle)
        self._records[record.handle] = record
        for key in record.keys:
            self._handles[key] = record.handle

    def _unindex(self, handle: str) -> None:
        record = self._records.pop(handle, None)
        if record is not None:
            for key in record.keys:
                self._handles.pop(key, None)

    def _forget(self, handle: str) -> None:
        del self._browsers[handle]
        self._unindex(handle)
        self._writer.forget(handle)

    def _seat_changed(self, client: ClientSession) -> None:
        self._writer.changed(client.session.handle)

    def _record(self, handle: str) -> SessionRecord | None:
        """The session as it is to be written now."""
        client, record = self._browsers.get(handle), self._records.get(handle)
        if client is None or record is None:
            return None
        seat = client.seat
        if seat is None:
            return replace(record, seat=None)
        lobby = seat.place.lobby
        info = lobby.participants.get(seat.participant_id)
        if info is None:
            return replace(record, seat=None) if self._shared is not None else record
        kept = SeatRecord(lobby.id, info.id, info.name, info.role, info.muted, info.camera)
        return replace(record, seat=kept)

    # ------------------------------------------------------------ secrets

    def _good(self, handle: str, key: str) -> bool:
        """Whether this secret still opens the session; the first use of a new one ends the old one soon."""
        record, now = self._records[handle], self._wall()
        if key == record.previous_key:
            return now < record.previous_until
        if record.previous_key and record.previous_until >= record.expires:
            self._index(replace(record, previous_until=now + OVERLAP_SECONDS))
            self._writer.changed(handle)
        return True

    async def _rotate(self, client: ClientSession, key: str) -> str | None:
        """A new secret for the same session when this one is old, else None.

        Until the browser has shown the new one, the old one stays good: the answer that
        carried it may have been lost, and then the old one gets another new one.
        """
        handle, now = client.session.handle, self._wall()
        record = self._records[handle]
        due = ROTATE_SECONDS if key == record.key else OVERLAP_SECONDS
        unused = record.previous_until >= record.expires
        if now - record.rotated < due or (key == record.previous_key and not unused):
            return None
        if self._shared is not None and not await self._may_rotate(handle):
            return None
        secret = secrets.token_urlsafe(32)
        rotated = replace(
            record, key=_key(secret), rotated=now, previous_key=key, previous_until=record.expires
        )
        self._index(rotated)
        await self._writer.write(handle)
        return secret

    async def _may_rotate(self, handle: str) -> bool:
        """Whether no other server gives out a new secret just now: one of the two would be lost."""
        try:
            return (
                await self._store.acquire(f"secret:{handle}", self._store.owner, OVERLAP_SECONDS) is not None
            )
        except StoreError:
            return False


def _key(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
