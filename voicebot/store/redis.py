"""The store in Redis, for several servers behind one address. It survives their restarts.

Steps that must be atomic are one script, which Redis runs without anything in between.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from dataclasses import replace
from operator import attrgetter
from typing import Any

from redis import exceptions
from redis.asyncio import Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from voicebot.errors import StoreError, one_line
from voicebot.redaction import ESCAPES, keep_address, shown, unambiguous
from voicebot.store.base import BanRecord, LeaseLost, LobbyRecord, ReportRecord, SeatRecord, SessionRecord
from voicebot.store.exclusive import FolderLock
from voicebot.store.exposed import exposed
from voicebot.store.records import dump, load, load_all
from voicebot.store.shared import ANSWER_SECONDS, Lease

logger = logging.getLogger(__name__)

STREAM_ENTRIES = 1000
PREFIX = "voicebot:"
CONNECT_SECONDS = 2.0
READ_SECONDS = ANSWER_SECONDS - CONNECT_SECONDS
BLOCK_SECONDS = 1.0
"""Longest single wait for the next entry of a stream; below READ_SECONDS."""
KEPT_AFTER_EXPIRY = 24 * 3600
"""Seconds after which Redis deletes an expired session by itself, if nobody sweeps."""
TOKEN_SECONDS = 7 * 24 * 3600
"""Seconds that a lobby's last fencing token is kept after its last use."""
STREAM_SECONDS = 3600
"""Seconds that an unused stream is kept."""

# ARGV of every script: the prefix, then the values that its first line names
_FORGET = """
local function forget(prefix, handle)
  local old = redis.call('HMGET', prefix..'session:'..handle, 'key', 'previous', 'lobby')
  for i = 1, 2 do
    if old[i] and old[i] ~= '' and redis.call('GET', prefix..'key:'..old[i]) == handle then
      redis.call('DEL', prefix..'key:'..old[i])
    end
  end
  if old[3] and old[3] ~= '' then redis.call('SREM', prefix..'seats:'..old[3], handle) end
  redis.call('ZREM', prefix..'expiries', handle)
  return redis.call('DEL', prefix..'session:'..handle)
end
"""
PUT_SESSION = (
    _FORGET
    + """
local prefix, handle, key, previous, lobby, seat, person, kept, expires, ttl, record = unpack(ARGV)
local name = prefix..'session:'..handle
if kept ~= '' and redis.call('EXISTS', name) == 1 then
  local old = redis.call('HMGET', name, 'lobby', 'seat', 'person')
  lobby, seat, person = old[1] or '', old[2] or '', old[3] or ''
end
forget(prefix, handle)
redis.call('HSET', name, 'key', key, 'previous', previous, 'record', record,
  'lobby', lobby, 'seat', seat, 'person', person)
redis.call('EXPIRE', name, ttl)
for _, k in ipairs({key, previous}) do
  if k ~= '' then redis.call('SET', prefix..'key:'..k, handle, 'EX', ttl) end
end
if lobby ~= '' then redis.call('SADD', prefix..'seats:'..lobby, handle) end
redis.call('ZADD', prefix..'expiries', expires, handle)
"""
)
_FENCED = """
local prefix, id, token = ARGV[1], ARGV[2], ARGV[3]
if token ~= '' and tonumber(redis.call('GET', prefix..'token:'..id) or '0') > tonumber(token) then
  return 'lost'
end
"""
PUT_SEAT = (
    _FENCED
    + """
local handle, seat, person = ARGV[4], ARGV[5], ARGV[6]
local name = prefix..'session:'..handle
local old = redis.call('HMGET', name, 'key', 'lobby', 'person')
if not old[1] or (seat == '' and old[3] ~= person) then return 'not there' end
if old[2] and old[2] ~= '' then redis.call('SREM', prefix..'seats:'..old[2], handle) end
if seat == '' then id, person = '', '' else redis.call('SADD', prefix..'seats:'..id, handle) end
redis.call('HSET', name, 'lobby', id, 'seat', seat, 'person', person)
return 'put'
"""
)
DELETE_SESSION = _FORGET + "return forget(ARGV[1], ARGV[2])"
SWEEP = (
    _FORGET
    + """
local old = redis.call('ZRANGEBYSCORE', ARGV[1]..'expiries', '-inf', '('..ARGV[2], 'LIMIT', 0, 500)
local count = 0
for _, handle in ipairs(old) do count = count + forget(ARGV[1], handle) end
return {#old, count}
"""
)
GET_SESSION = """
local handle = redis.call('GET', ARGV[1]..'key:'..ARGV[2])
return handle and redis.call('HMGET', ARGV[1]..'session:'..handle, 'record', 'seat')
"""
SEATS = """
local seats, found = ARGV[1]..'seats:'..ARGV[2], {}
for _, handle in ipairs(redis.call('SMEMBERS', seats)) do
  local record = redis.call('HMGET', ARGV[1]..'session:'..handle, 'record', 'seat')
  if record[1] then found[#found + 1] = record else redis.call('SREM', seats, handle) end
end
return found
"""
PUT_LOBBY = (
    _FENCED
    + """
local name, version = prefix..'lobby:'..id, tonumber(ARGV[4])
if tonumber(redis.call('HGET', name, 'version') or ARGV[4]) > version then return 'older' end
redis.call('HSET', name, 'version', ARGV[4], 'record', ARGV[5])
if not redis.call('ZSCORE', prefix..'lobbies', id) then
  redis.call('ZADD', prefix..'lobbies', redis.call('INCR', prefix..'positions'), id)
end
return 'put'
"""
)
DELETE_LOBBY = (
    _FENCED
    + """
redis.call('DEL', prefix..'lobby:'..id, prefix..'bans:'..id)
redis.call('ZREM', prefix..'lobbies', id)
return 'deleted'
"""
)
LOBBIES = """
local prefix, wanted, found = ARGV[1], ARGV[2], {}
for _, id in ipairs(redis.call('ZRANGE', prefix..'lobbies', 0, -1)) do
  if wanted == 'all' or redis.call('EXISTS', prefix..'lease:'..id) == 0 then
    found[#found + 1] = redis.call('HGET', prefix..'lobby:'..id, 'record')
  end
end
return found
"""
ACQUIRE = """
local prefix, name, owner, ms = unpack(ARGV)
local lease = prefix..'lease:'..name
local held = redis.call('GET', lease)
if held and string.match(held, '^%d+ (.*)$') ~= owner then return nil end
local token = redis.call('INCR', prefix..'tokens')
redis.call('SET', lease, token..' '..owner, 'PX', ms)
redis.call('SET', prefix..'token:'..name, token, 'EX', ARGV[5])
return token
"""
RENEW = """
local prefix, name, held, ms = unpack(ARGV)
if redis.call('GET', prefix..'lease:'..name) ~= held then return 0 end
redis.call('EXPIRE', prefix..'token:'..name, ARGV[5])
return redis.call('PEXPIRE', prefix..'lease:'..name, ms)
"""
RELEASE = """
if redis.call('GET', ARGV[1]..'lease:'..ARGV[2]) == ARGV[3] then
  redis.call('DEL', ARGV[1]..'lease:'..ARGV[2])
end
"""


class RedisStore:
    """A `voicebot.store.shared.SharedStore` in a Redis database. `open` makes one.

    While Redis is away, every call raises a retryable StoreError. Calls work again once it is back.
    """

    durable = shared = True

    def __init__(self, redis: Redis, lock: FolderLock, where: str, prefix: str = PREFIX) -> None:
        self.owner = lock.owner
        self._lock = lock
        self._redis, self._where, self._prefix = redis, where, prefix

    @classmethod
    async def open(cls, url: str, lock: FolderLock, prefix: str = PREFIX) -> RedisStore:
        """Connect to `redis://[[user]:password@]host[:port][/database]`, or `rediss://` with TLS.

        `lock` names this server, and is released when the store is closed.

        Raises:
            StoreError: the address is wrong, Redis does not answer, or it refuses the password.
        """
        keep_address(url)
        where = shown(url)
        try:
            if not unambiguous(url):
                raise ValueError(ESCAPES)
            redis = Redis.from_url(
                url,
                decode_responses=False,
                # with the newer protocol, redis-py 8.1 reuses connections that Redis has closed, and
                # the next call on each fails
                protocol=2,
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=READ_SECONDS,
                retry=Retry(NoBackoff(), 0),  # a repeated XADD would append twice; callers retry
            )
        except ValueError as error:
            raise StoreError(
                f"STORE={where} is not the address of a Redis server: {one_line(error)}.",
                hint="Use redis://localhost:6379/0, or redis://:password@host:6379/0.",
            ) from None
        pool = redis.connection_pool
        encrypted = issubclass(pool.connection_class, SSLConnection)
        for warning in exposed(where, pool.connection_kwargs, encrypted=encrypted):
            logger.warning("%s", warning)
        store = cls(redis, lock, where, prefix)
        try:
            await store._call(redis.ping())
        except BaseException:
            await redis.aclose()
            raise
        return store

    async def put_session(self, record: SessionRecord) -> None:
        await self._put_session(record, keep_seat=False)

    async def put_secrets(self, record: SessionRecord) -> None:
        await self._put_session(record, keep_seat=True)

    async def _put_session(self, record: SessionRecord, *, keep_seat: bool) -> None:
        ttl = int(max(0.0, record.expires - time.time()) + KEPT_AFTER_EXPIRY)
        seat = record.seat
        kept = ("", "", "") if seat is None else (seat.lobby_id, dump(seat), seat.participant_id)
        await self._script(
            PUT_SESSION,
            record.handle,
            *(record.key, record.previous_key),
            *kept,
            "yes" if keep_seat else "",
            *(record.expires, ttl, dump(replace(record, seat=None))),
        )

    async def put_seat(
        self,
        handle: str,
        seat: SeatRecord | None,
        *,
        freed: SeatRecord | None = None,
        token: int | None = None,
    ) -> None:
        about = seat or freed
        if about is None:
            return
        text = dump(seat) if seat is not None else ""
        await self._fenced(PUT_SEAT, about.lobby_id, token, handle, text, about.participant_id)

    async def get_session(self, key: str) -> SessionRecord | None:
        return _session(await self._script(GET_SESSION, key)) if key else None

    async def find_session(self, handle: str) -> SessionRecord | None:
        name = self._key("session", handle)
        return _session(await self._call(self._redis.hmget(name, ["record", "seat"])))

    async def delete_session(self, handle: str) -> None:
        await self._script(DELETE_SESSION, handle)

    async def seats(self, lobby_id: str) -> list[SessionRecord]:
        found = [_session(one) for one in await self._script(SEATS, lobby_id)]
        return [one for one in found if one is not None]

    async def sweep(self, now: float) -> int:
        swept = 0
        while True:  # in parts, because Redis serves nobody else during a script
            found, deleted = await self._script(SWEEP, now)
            swept += int(deleted)
            if found == 0:
                return swept

    async def put_lobby(self, record: LobbyRecord, token: int | None = None) -> None:
        await self._fenced(PUT_LOBBY, record.id, token, record.version, dump(record))

    async def get_lobby(self, id: str) -> LobbyRecord | None:
        text = await self._call(self._redis.hget(self._key("lobby", id), "record"))
        return load(LobbyRecord, text) if text else None

    async def delete_lobby(self, id: str, token: int | None = None) -> None:
        await self._fenced(DELETE_LOBBY, id, token)

    async def lobbies(self) -> list[LobbyRecord]:
        return load_all(LobbyRecord, await self._script(LOBBIES, "all"))

    async def orphans(self) -> list[LobbyRecord]:
        return load_all(LobbyRecord, await self._script(LOBBIES, "orphans"))

    async def put_ban(self, record: BanRecord) -> None:
        await self._call(self._redis.hset(self._key("bans", record.lobby_id), record.handle, dump(record)))

    async def delete_ban(self, lobby_id: str, handle: str) -> None:
        await self._call(self._redis.hdel(self._key("bans", lobby_id), handle))

    async def bans(self, lobby_id: str) -> list[BanRecord]:
        found = await self._call(self._redis.hvals(self._key("bans", lobby_id)))
        return sorted(load_all(BanRecord, found), key=attrgetter("at"))

    async def put_report(self, record: ReportRecord) -> None:
        await self._call(self._redis.hset(self._key("reports"), record.id, dump(record)))

    async def reports(self, lobby_id: str | None = None) -> list[ReportRecord]:
        found = load_all(ReportRecord, await self._call(self._redis.hvals(self._key("reports"))))
        wanted = (r for r in found if lobby_id is None or r.lobby_id == lobby_id)
        return sorted(wanted, key=attrgetter("at"))

    async def acquire(self, name: str, owner: str, seconds: float) -> int | None:
        token = await self._script(ACQUIRE, name, owner, _ms(seconds), TOKEN_SECONDS)
        return int(token) if token is not None else None

    async def renew(self, name: str, owner: str, token: int, seconds: float) -> bool:
        return bool(await self._script(RENEW, name, f"{token} {owner}", _ms(seconds), TOKEN_SECONDS))

    async def release(self, name: str, owner: str, token: int) -> None:
        await self._script(RELEASE, name, f"{token} {owner}")

    async def holder(self, name: str) -> Lease | None:
        held = await self._call(self._redis.get(self._key("lease", name)))
        if held is None:
            return None
        token, _, owner = held.decode().partition(" ")
        return Lease(owner, int(token))

    async def append(self, stream: str, data: bytes) -> str:
        key = self._key("stream", stream)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.xadd(key, {"data": data}, maxlen=STREAM_ENTRIES, approximate=False)
            pipeline.expire(key, STREAM_SECONDS)
            id, _ = await self._call(pipeline.execute())
        return str(id.decode())

    async def read(self, stream: str, after: str = "", *, wait: float = 0.0) -> list[tuple[str, bytes]]:
        key, loop = self._key("stream", stream), asyncio.get_running_loop()
        deadline = loop.time() + wait
        while True:
            left = min(deadline - loop.time(), BLOCK_SECONDS)
            block = _ms(left) if left > 0 else None
            found = await self._call(self._redis.xread({key: after or "0"}, block=block))
            if found or block is None:
                entries = found[0][1] if found else []  # of the only stream
                return [(id.decode(), fields[b"data"]) for id, fields in entries]

    async def trim(self, stream: str, upto: str) -> None:
        milliseconds, _, number = upto.partition("-")
        key = self._key("stream", stream)
        await self._call(self._redis.xtrim(key, minid=f"{milliseconds}-{int(number) + 1}", approximate=False))

    async def drop(self, stream: str) -> None:
        await self._call(self._redis.delete(self._key("stream", stream)))

    async def aclose(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._redis.aclose()
        self._lock.release()

    def abandon(self) -> None:
        self._lock.release()  # connections end with the process

    def _key(self, *parts: str) -> str:
        return self._prefix + ":".join(parts)

    async def _fenced(self, script: str, id: str, token: int | None, *values: Any) -> None:
        if await self._script(script, id, "" if token is None else token, *values) == b"lost":
            raise LeaseLost(id)

    async def _script(self, script: str, *values: Any) -> Any:
        return await self._call(self._redis.eval(script, 0, self._prefix, *values))

    async def _call(self, answer: Awaitable[Any] | Any) -> Any:
        task = asyncio.current_task()
        cancelled = task.cancelling() if task is not None else 0
        try:
            return await answer
        except (exceptions.RedisError, OSError) as error:
            raise _explain(self._where, error) from None
        finally:
            # until Python 3.12, asyncio.wait_for (in the client) loses a cancellation that arrives together
            # with the result, so the task would continue
            if task is not None and task.cancelling() > cancelled:
                raise asyncio.CancelledError


def _session(found: Any) -> SessionRecord | None:
    """Combine the two parts in Redis: the session without its seat, and the seat."""
    record = load(SessionRecord, found[0]) if found and found[0] else None
    if record is None or not found[1]:
        return record
    return replace(record, seat=load(SeatRecord, found[1]))


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _explain(where: str, error: Exception) -> StoreError:
    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError) or any(
        word in str(error) for word in ("NOAUTH", "WRONGPASS", "NOPERM")
    ):
        return StoreError(
            f"Redis at {where} refuses the password: {one_line(error)}.",
            hint="Correct it in STORE: redis://:password@host:6379/0, or redis://user:password@host:6379/0.",
        )
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError):
        return StoreError(
            f"Redis at {where} does not answer: {one_line(error)}.",
            hint="Start it, or correct its address in STORE. Failed writes are retried.",
            retryable=True,
        )
    return StoreError(
        f"Redis at {where} refuses the command: {one_line(error)}.",
        hint="Use Redis 7 or later, and check that it is writable and has free memory.",
        retryable=True,
    )
