"""The store in Redis, for several servers behind one address; it survives the restart of any of them.

Whatever has to happen at once is one script: Redis runs it without anything in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from voicebot.errors import StoreError, one_line
from voicebot.store.base import BanRecord, LeaseLost, LobbyRecord, ReportRecord, SessionRecord
from voicebot.store.exclusive import FolderLock
from voicebot.store.local import STREAM_ENTRIES
from voicebot.store.records import dump, load, load_all

PREFIX = "voicebot:"
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 3.0
BLOCK_SECONDS = 1.0
"""The longest single wait for a stream's next entry; must be below ANSWER_SECONDS."""
KEPT_AFTER_EXPIRY = 24 * 3600
"""Seconds after which Redis deletes an expired session by itself, should nobody sweep."""
TOKEN_SECONDS = 7 * 24 * 3600
"""How long a lobby's last fencing token is remembered after its last use."""
STREAM_SECONDS = 3600
"""How long a stream is kept that nobody adds to."""

# ARGV of all: the prefix, then what each names
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
local prefix, handle, key, previous, lobby, expires, ttl, record = unpack(ARGV)
forget(prefix, handle)
local name = prefix..'session:'..handle
redis.call('HSET', name, 'key', key, 'previous', previous, 'lobby', lobby, 'record', record)
redis.call('EXPIRE', name, ttl)
for _, k in ipairs({key, previous}) do
  if k ~= '' then redis.call('SET', prefix..'key:'..k, handle, 'EX', ttl) end
end
if lobby ~= '' then redis.call('SADD', prefix..'seats:'..lobby, handle) end
redis.call('ZADD', prefix..'expiries', expires, handle)
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
return handle and redis.call('HGET', ARGV[1]..'session:'..handle, 'record')
"""
SEATS = """
local seats, found = ARGV[1]..'seats:'..ARGV[2], {}
for _, handle in ipairs(redis.call('SMEMBERS', seats)) do
  local record = redis.call('HGET', ARGV[1]..'session:'..handle, 'record')
  if record then found[#found + 1] = record else redis.call('SREM', seats, handle) end
end
return found
"""
_FENCED = """
local prefix, id, token = ARGV[1], ARGV[2], ARGV[3]
if token ~= '' and tonumber(redis.call('GET', prefix..'token:'..id) or '0') > tonumber(token) then
  return 'lost'
end
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
local found = {}
for _, id in ipairs(redis.call('ZRANGE', ARGV[1]..'lobbies', 0, -1)) do
  found[#found + 1] = redis.call('HGET', ARGV[1]..'lobby:'..id, 'record')
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
    """`voicebot.store.base.Store` in a Redis database; `open` makes one.

    Every call raises StoreError (retryable) while Redis is away, and works again once it is back.
    """

    durable = True

    def __init__(self, redis: Redis, lock: FolderLock, where: str, prefix: str = PREFIX) -> None:
        self.owner = lock.owner
        self._lock = lock
        self._redis, self._where, self._prefix = redis, where, prefix

    @classmethod
    async def open(cls, url: str, lock: FolderLock, prefix: str = PREFIX) -> RedisStore:
        """Connect to `redis://[[user]:password@]host[:port][/database]`, `rediss://` with TLS.

        `lock` gives this server its name, and is released when the store is closed.

        Raises:
            StoreError: the address is wrong, nobody answers there, or the password is refused.
        """
        where = _without_password(url)
        try:
            redis = Redis.from_url(
                url,
                decode_responses=False,
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 0),  # a repeated XADD would be there twice; who writes tries again
            )
        except ValueError as error:
            raise StoreError(
                f"STORE={where} is no address of a Redis server: {one_line(error)}.",
                hint="Use redis://localhost:6379/0, or redis://:password@host:6379/0.",
            ) from None
        store = cls(redis, lock, where, prefix)
        try:
            await store._call(redis.ping())
        except BaseException:
            await redis.aclose()
            raise
        return store

    async def put_session(self, record: SessionRecord) -> None:
        ttl = int(max(0.0, record.expires - time.time()) + KEPT_AFTER_EXPIRY)
        lobby_id = record.seat.lobby_id if record.seat is not None else ""
        keys = (record.key, record.previous_key)
        await self._script(PUT_SESSION, record.handle, *keys, lobby_id, record.expires, ttl, dump(record))

    async def get_session(self, key: str) -> SessionRecord | None:
        text = await self._script(GET_SESSION, key) if key else None
        return load(SessionRecord, text) if text else None

    async def delete_session(self, handle: str) -> None:
        await self._script(DELETE_SESSION, handle)

    async def seats(self, lobby_id: str) -> list[SessionRecord]:
        return load_all(SessionRecord, await self._script(SEATS, lobby_id))

    async def sweep(self, now: float) -> int:
        swept = 0
        while True:  # in parts, for nobody else is served during a script
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
        return load_all(LobbyRecord, await self._script(LOBBIES))

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
                return [(id.decode(), fields[b"data"]) for id, fields in _entries(found)]

    async def drop(self, stream: str) -> None:
        await self._call(self._redis.delete(self._key("stream", stream)))

    async def aclose(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._redis.aclose()
        self._lock.release()

    def abandon(self) -> None:
        self._lock.release()  # the connections end with the process

    def _key(self, *parts: str) -> str:
        return self._prefix + ":".join(parts)

    async def _fenced(self, script: str, id: str, token: int | None, *values: Any) -> None:
        if await self._script(script, id, "" if token is None else token, *values) == b"lost":
            raise LeaseLost(f"Lobby {id} is served elsewhere by now.")

    async def _script(self, script: str, *values: Any) -> Any:
        return await self._call(self._redis.eval(script, 0, self._prefix, *values))

    async def _call(self, answer: Awaitable[Any] | Any) -> Any:
        try:
            return await answer
        except (exceptions.RedisError, OSError) as error:
            raise _explain(self._where, error) from None


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _entries(found: Any) -> list[Any]:
    """Of the one stream that was read, in both forms that the two versions of Redis' protocol give."""
    streams = list(found.values()) if isinstance(found, dict) else [entries for _, entries in found or []]
    entries = streams[0] if streams else []
    return entries[0] if entries and isinstance(entries[0], list) else entries


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _explain(where: str, error: Exception) -> StoreError:
    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError) or any(
        word in str(error) for word in ("NOAUTH", "WRONGPASS", "NOPERM")
    ):
        return StoreError(
            f"Redis at {where} refuses the password: {one_line(error)}.",
            hint="Write it into STORE: redis://:password@host:6379/0, or redis://user:password@host:6379/0.",
        )
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError):
        return StoreError(
            f"Redis at {where} does not answer: {one_line(error)}.",
            hint="Is it running, and is STORE its address? What could not be written is tried again.",
            retryable=True,
        )
    return StoreError(
        f"Redis at {where} refuses: {one_line(error)}.",
        hint="It has to be version 7 or later, writable, with room in its memory.",
        retryable=True,
    )
