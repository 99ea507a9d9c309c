"""All sessions, found by their cookie: an opaque secret of 256 bits, of which only a hash is kept."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

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
"""Age at which a secret is replaced on the next page load."""
OVERLAP_SECONDS = 60.0
"""How long the previous secret stays valid after the first use of the new one."""
SWEEP_SECONDS = 60.0
IDLE_SECONDS = 300.0
"""A session without a socket and a seat for this long is dropped from memory, but not from the store."""
EXPIRED_SECONDS = 3600.0
"""How long the store keeps an expired session, so that its client gets `session_expired`."""
MAX_SECRET = 128


class Sessions:
    """All sessions. Those in use are in memory, and all have a record in the store.

    `wall` returns Unix seconds. A session lasts `lifetime` seconds.
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
        self._clients: dict[str, ClientSession] = {}
        self._records: dict[str, SessionRecord] = {}
        self._handles: dict[str, str] = {}
        self.writer = SessionWriter(store, self._record, lambda lobby_id: self.token(lobby_id))
        self.token: Callable[[str], int | None] = lambda lobby_id: None
        """Returns the fencing token of a lobby of this server. The holder of the leases sets it."""
        self._sweeping: asyncio.Task[None] | None = None
        self._sweep_failed = False

    # ------------------------------------------------------------ running

    def start(self) -> None:
        """Start to sweep every minute."""
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().create_task(
                self._keep_sweeping(), name="sweep sessions"
            )

    async def aclose(self) -> None:
        """Write pending changes. Later ones are ignored, so that stopping the server frees no seats."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
            self._sweeping = None
        await self.writer.aclose()

    async def sweep(self) -> None:
        """End expired sessions, and forget unused ones."""
        now = self._clock()
        for handle, client in list(self._clients.items()):
            session = client.session
            session.forget_old(now)
            if session.expired(now) and (client.seat is not None or client.outbox is not None):
                client.expire()
            in_use = client.sockets > 0 or client.outbox is not None or client.place is not None
            idle = now - client.idle_since >= IDLE_SECONDS and not self.writer.pending(handle)
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
                logger.exception("Sweeping sessions failed")

    # ------------------------------------------------------------ looking up

    async def admit(self, secret: str | None) -> tuple[ClientSession, str | None]:
        """Return the session of this cookie or a new one, and the secret for a new cookie if one is due.

        Raises StoreError.
        """
        client = await self.valid(secret)
        if client is None or secret is None:
            fresh, client = await self.create()
            return client, fresh
        return client, await self._rotate(client, _key(secret))

    async def create(self) -> tuple[str, ClientSession]:
        """Create a session. Returns the secret for its cookie, which is not kept, and the session."""
        secret, handle, now = secrets.token_urlsafe(32), f"s-{secrets.token_hex(8)}", self._wall()
        client = self._add(SessionRecord(_key(secret), handle, now + self._lifetime, rotated=now))
        await self.writer.write(handle)
        return secret, client

    async def find(self, secret: str | None) -> ClientSession | None:
        """Return the session of this cookie, even if it has expired; None if it is unknown.

        Raises StoreError.
        """
        if not secret or len(secret) > MAX_SECRET:
            return None
        key = _key(secret)
        await self._look_up(key)
        handle = self._handles.get(key)
        return self._clients[handle] if handle is not None and self._accepts(handle, key) else None

    async def _look_up(self, key: str) -> None:
        """Load the session of this secret from the store if it is not up to date here. Raises StoreError."""
        known = self._handles.get(key)
        if known is None:
            record = await self._store.get_session(key)
            if record is not None and key in record.keys:
                self.restore(record)
        elif self._shared is not None:  # another server may have rotated the secret
            await self.by_handle(known)

    async def by_handle(self, handle: str) -> ClientSession | None:
        """Return the session of this public handle, refreshed from a shared store.

        Raises StoreError if the store fails and the session is not in memory.
        """
        try:
            record = await self._shared.find_session(handle) if self._shared is not None else None
        except StoreError:
            if handle not in self._clients:
                raise
        else:
            if record is not None:
                self.restore(record)
        return self._clients.get(handle)

    async def seat_of(self, handle: str) -> SeatRecord | None:
        """Return the seat of a session, on whichever server. Raises StoreError."""
        record = await self._shared.find_session(handle) if self._shared is not None else None
        return record.seat if record is not None else None

    async def valid(self, secret: str | None) -> ClientSession | None:
        """Return the session of this cookie if it has not expired. Raises StoreError."""
        client = await self.find(secret)
        return None if client is None or client.session.expired(self._clock()) else client

    def restore(self, record: SessionRecord) -> ClientSession:
        """Return the session of a record from the store, and create it if it is not in memory.

        The caller restores the seat, because that needs the lobby.
        """
        known = self._records.get(record.handle)
        if known is not None and (known.rotated, -known.previous_until) >= (
            record.rotated,
            -record.previous_until,
        ):
            return self._clients[record.handle]
        self.writer.known(record)
        if known is not None:  # another server has rotated the secret
            self._index(record)
            return self._clients[record.handle]
        return self._add(record)

    @property
    def count(self) -> int:
        """Number of sessions in memory."""
        return len(self._clients)

    @property
    def outboxes(self) -> list[Outbox]:
        """The outboxes of all connected clients."""
        return [client.outbox for client in self._clients.values() if client.outbox is not None]

    def broadcast(self, message: Message) -> None:
        """Send a message to every connected client."""
        for client in list(self._clients.values()):
            client.send_unstamped(message)

    # ------------------------------------------------------------ records

    def _add(self, record: SessionRecord) -> ClientSession:
        left = record.expires - self._wall()
        # microseconds since 1970: larger than any number that an earlier process gave
        session = Session(record.handle, self._clock(), max(0.0, left), seq=int(self._wall() * 1e6))
        client = ClientSession(session, self._clock, partial(self.writer.changed, record.handle))
        self._clients[record.handle] = client
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
        del self._clients[handle]
        self._unindex(handle)
        self.writer.forget(handle)

    def _record(self, handle: str) -> SessionRecord | None:
        """The session's current record."""
        client, record = self._clients.get(handle), self._records.get(handle)
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

    def _accepts(self, handle: str, key: str) -> bool:
        """Whether this secret is still valid. The first use of a new one starts the old one's last minute."""
        record, now = self._records[handle], self._wall()
        if key == record.previous_key:
            return now < record.previous_until
        if record.previous_key and record.previous_until >= record.expires:
            self._index(replace(record, previous_until=now + OVERLAP_SECONDS))
            self.writer.changed(handle)
        return True

    async def _rotate(self, client: ClientSession, key: str) -> str | None:
        """Replace the secret if it is old. Returns the new one, or None.

        The old one stays valid until the browser uses the new one, because the response with the new
        cookie may get lost; the old one then gets another replacement.
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
        await self.writer.write(handle)
        return secret

    async def _may_rotate(self, handle: str) -> bool:
        """Whether no other server is rotating this secret now, which would lose one of the two."""
        try:
            return (
                await self._store.acquire(f"secret:{handle}", self._store.owner, OVERLAP_SECONDS) is not None
            )
        except StoreError:
            return False


def _key(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
