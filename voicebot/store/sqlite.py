"""The store in a SQLite file, for one server. It survives a restart and a crash."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiosqlite

from voicebot.clock import Clock, monotonic
from voicebot.errors import StoreError, one_line
from voicebot.folders import open_file
from voicebot.store.base import BanRecord, LobbyRecord, ReportRecord, SessionRecord
from voicebot.store.exclusive import FolderLock
from voicebot.store.local import LocalLeases
from voicebot.store.records import R, dump, load_all

logger = logging.getLogger(__name__)

FILE = "voicebot.sqlite"
MIGRATIONS = (
    """
    CREATE TABLE sessions (
        handle TEXT PRIMARY KEY, key TEXT NOT NULL, previous_key TEXT NOT NULL, lobby_id TEXT,
        expires REAL NOT NULL, record TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sessions_by_key ON sessions (key);
    CREATE INDEX sessions_by_previous_key ON sessions (previous_key);
    CREATE INDEX sessions_by_lobby ON sessions (lobby_id) WHERE lobby_id IS NOT NULL;
    CREATE INDEX sessions_by_expiry ON sessions (expires);
    CREATE TABLE lobbies (
        position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,
        record TEXT NOT NULL
    );
    CREATE TABLE bans (
        lobby_id TEXT NOT NULL, handle TEXT NOT NULL, at REAL NOT NULL, record TEXT NOT NULL,
        PRIMARY KEY (lobby_id, handle)
    );
    CREATE TRIGGER bans_go_with_their_lobby AFTER DELETE ON lobbies
        BEGIN DELETE FROM bans WHERE lobby_id = old.id; END;
    CREATE TABLE reports (
        id TEXT PRIMARY KEY, lobby_id TEXT NOT NULL, at REAL NOT NULL, record TEXT NOT NULL
    );
    CREATE INDEX reports_by_lobby ON reports (lobby_id);
    """,
)
"""The steps from each `user_version` to the next. A new file takes all of them."""


class SqliteStore(LocalLeases):
    """A `voicebot.store.base.Store` in a file of its own. `open` makes one.

    Leases are in memory, because no other server shares the file.
    """

    durable, shared = True, False

    def __init__(
        self, connection: aiosqlite.Connection, path: Path, clock: Clock, lock: FolderLock | None = None
    ) -> None:
        super().__init__(clock)
        self._connection: aiosqlite.Connection | None = connection
        self._path, self._lock = path, lock
        self.owner = lock.owner if lock is not None else "here"

    @classmethod
    async def open(cls, path: Path, clock: Clock = monotonic, lock: FolderLock | None = None) -> SqliteStore:
        """Open or create the file. A damaged file is set aside with a warning, and replaced by a new one.

        `lock` is released when the store is closed.

        Raises:
            StoreError: the file cannot be opened or written, or a newer version wrote it.
        """
        try:
            try:
                connection = await _connect(path)
            except sqlite3.DatabaseError as error:
                if not _damaged(error):
                    raise
                aside = _set_aside(path)
                logger.warning(
                    "%s is damaged (%s). It was renamed to %s, and replaced by a new file: earlier "
                    "lobbies, sessions and bans are unknown. Conversations and recordings are not affected.",
                    path,
                    one_line(error),
                    aside.name,
                )
                connection = await _connect(path)
        except (sqlite3.Error, OSError) as error:
            raise _explain(path, error) from None
        return cls(connection, path, clock, lock)

    async def put_session(self, record: SessionRecord) -> None:
        lobby_id = record.seat.lobby_id if record.seat is not None else None
        row = (record.handle, record.key, record.previous_key, lobby_id, record.expires, dump(record))
        await self._run("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?)", row)

    async def get_session(self, key: str) -> SessionRecord | None:
        if not key:
            return None
        query = "SELECT record FROM sessions WHERE key = ?1 OR previous_key = ?1"
        return next(iter(await self._records(SessionRecord, query, key)), None)

    async def delete_session(self, handle: str) -> None:
        await self._run("DELETE FROM sessions WHERE handle = ?", (handle,))

    async def seats(self, lobby_id: str) -> list[SessionRecord]:
        return await self._records(SessionRecord, "SELECT record FROM sessions WHERE lobby_id = ?", lobby_id)

    async def sweep(self, now: float) -> int:
        return len(await self._run("DELETE FROM sessions WHERE expires < ? RETURNING 1", (now,)))

    async def put_lobby(self, record: LobbyRecord, token: int | None = None) -> None:
        self.check_lease(record.id, token)
        await self._run(
            "INSERT INTO lobbies (id, version, record) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE"
            " SET version = excluded.version, record = excluded.record WHERE excluded.version >= version",
            (record.id, record.version, dump(record)),
        )

    async def get_lobby(self, id: str) -> LobbyRecord | None:
        found = await self._records(LobbyRecord, "SELECT record FROM lobbies WHERE id = ?", id)
        return next(iter(found), None)

    async def delete_lobby(self, id: str, token: int | None = None) -> None:
        self.check_lease(id, token)
        await self._run("DELETE FROM lobbies WHERE id = ?", (id,))  # a trigger deletes its bans
        await self._run("DELETE FROM bans WHERE lobby_id = ?", (id,))  # of a lobby that was never put

    async def lobbies(self) -> list[LobbyRecord]:
        return await self._records(LobbyRecord, "SELECT record FROM lobbies ORDER BY position")

    async def put_ban(self, record: BanRecord) -> None:
        row = (record.lobby_id, record.handle, record.at, dump(record))
        await self._run("INSERT OR REPLACE INTO bans VALUES (?, ?, ?, ?)", row)

    async def delete_ban(self, lobby_id: str, handle: str) -> None:
        await self._run("DELETE FROM bans WHERE lobby_id = ? AND handle = ?", (lobby_id, handle))

    async def bans(self, lobby_id: str) -> list[BanRecord]:
        query = "SELECT record FROM bans WHERE lobby_id = ? ORDER BY at, rowid"
        return await self._records(BanRecord, query, lobby_id)

    async def put_report(self, record: ReportRecord) -> None:
        row = (record.id, record.lobby_id, record.at, dump(record))
        await self._run("INSERT OR REPLACE INTO reports VALUES (?, ?, ?, ?)", row)

    async def reports(self, lobby_id: str | None = None) -> list[ReportRecord]:
        query = "SELECT record FROM reports WHERE ?1 IS NULL OR lobby_id = ?1 ORDER BY at, rowid"
        return await self._records(ReportRecord, query, lobby_id)

    async def aclose(self) -> None:
        """Finish all writes and close the file. Safe to call twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        if self._lock is not None:
            self._lock.release()

    def abandon(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # a thread without an event loop, so that `stop` does not try to use one
            stopping = threading.Thread(target=connection.stop, name="close store")
            stopping.start()
            stopping.join()
        if self._lock is not None:
            self._lock.release()

    async def _records(self, kind: type[R], query: str, *values: str | None) -> list[R]:
        return load_all(kind, (record for (record,) in await self._run(query, values)))

    async def _run(self, sql: str, values: Iterable[Any] = ()) -> list[Any]:
        """Run one statement as one transaction.

        Statements run completely and in order, even if the caller is cancelled.
        """
        connection = self._connection
        if connection is None:
            raise StoreError("The store is closed.", hint="Start the server again.")
        try:
            return list(await connection.execute_fetchall(sql, values))
        except ValueError:
            if self._connection is not None:
                raise
            raise StoreError("The store has been closed.", hint="Start the server again.") from None
        except sqlite3.Error as error:
            raise _explain(self._path, error) from None


async def _connect(path: Path) -> aiosqlite.Connection:
    # tells why the file cannot be opened, where a connection that fails would leave its thread behind
    await asyncio.to_thread(_touch, path)
    connection = await aiosqlite.connect(path, isolation_level=None, timeout=2.0)
    try:
        await _prepare(connection, path)
    except BaseException:
        await connection.close()
        raise
    return connection


def _touch(path: Path) -> None:
    os.close(open_file(path, os.O_RDWR | os.O_CREAT, 0o600))


async def _prepare(connection: aiosqlite.Connection, path: Path) -> None:
    [[version]] = await connection.execute_fetchall("PRAGMA user_version")
    if version > len(MIGRATIONS):
        raise StoreError(
            f"A newer version of voicebot wrote {path}.",
            hint="Install that version again, or set DATA_DIR to another folder.",
        )
    [[verdict]] = await connection.execute_fetchall("PRAGMA quick_check(1)")
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"malformed: {verdict}")
    await connection.execute("PRAGMA journal_mode = WAL")
    await connection.execute("PRAGMA synchronous = NORMAL")
    for number, step in enumerate(MIGRATIONS[version:], version + 1):
        await connection.executescript(f"BEGIN; {step}; PRAGMA user_version = {number}; COMMIT;")
    # otherwise a read-only file would be noticed too late
    await connection.executescript(f"BEGIN IMMEDIATE; PRAGMA user_version = {len(MIGRATIONS)}; COMMIT;")


def _damaged(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    return primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or "malformed" in str(error)


def _set_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _explain(path: Path, error: Exception) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    hints = {
        sqlite3.SQLITE_FULL: "The disk is full: make room. Failed writes are retried.",
        sqlite3.SQLITE_READONLY: "Make the file and its folder writable, or set DATA_DIR to another folder.",
        sqlite3.SQLITE_BUSY: "Another program uses the file: stop it.",
        sqlite3.SQLITE_CORRUPT: "Restart the server: it sets a damaged file aside.",
    }
    hint = hints.get(code & 0xFF if code is not None else -1, hints[sqlite3.SQLITE_READONLY])
    reason = error.strerror if isinstance(error, OSError) and error.strerror else one_line(error)
    return StoreError(f"{path} cannot be used: {reason}.", hint=hint, retryable=True)
