"""What only Redis does: wrong addresses and passwords, a server that goes away and comes back, expiry."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.support.coturn import free_port
from tests.support.redis_server import RedisServer, redis_server
from tests.support.waiting import GUARD
from voicebot.errors import StoreError
from voicebot.settings import Settings
from voicebot.store import open_store
from voicebot.store.base import LobbyRecord, SeatRecord, SessionRecord
from voicebot.store.exclusive import FolderLock
from voicebot.store.redis import RedisStore

pytestmark = pytest.mark.needs("redis-server")

Open = Callable[..., Awaitable[RedisStore]]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the store of an address, as a server does."""
    stores: list[RedisStore] = []

    async def open(url: str, folder: str = "one") -> RedisStore:
        (tmp_path / folder).mkdir(exist_ok=True)
        settings = Settings(_env_file=None, data_dir=tmp_path / folder, store=url)  # type: ignore[call-arg]
        store = await open_store(settings)
        assert isinstance(store, RedisStore)
        stores.append(store)
        return store

    yield open
    for store in stores:
        await store.aclose()


async def eventually(call: Callable[[], Awaitable[Any]]) -> Any:
    """Its first answer that is no StoreError."""
    async with asyncio.timeout(GUARD):
        while True:
            try:
                return await call()
            except StoreError:
                await asyncio.sleep(0)


async def test_an_unreachable_redis_is_an_error(opened: Open) -> None:
    port = free_port()
    with pytest.raises(StoreError, match=f"127.0.0.1:{port}/0 does not answer") as caught:
        await opened(f"redis://:geheim@127.0.0.1:{port}/0")
    assert "STORE" in caught.value.hint
    assert "geheim" not in str(caught.value)
    with pytest.raises(StoreError, match=f"127.0.0.1:{port}/0 does not answer") as caught:
        await opened(f"redis://127.0.0.1:{port}/0?password=geheim")
    assert "geheim" not in str(caught.value)
    with pytest.raises(StoreError, match="does not answer"):  # and the folder was left free
        await opened(f"redis://127.0.0.1:{port}/0")


async def test_an_invalid_address_is_an_error(opened: Open) -> None:
    with pytest.raises(StoreError, match="not the address") as caught:
        await opened("redis://localhost:port/0")
    assert "redis://localhost:6379/0" in caught.value.hint


@pytest.mark.parametrize("password", ["geh#eim", "geh/eim", "12#eim", "geh?eim", "12?eim@", "geh[eim"])
async def test_a_misplaced_password_is_not_repeated(opened: Open, password: str) -> None:
    with pytest.raises(StoreError, match="not the address") as caught:
        await opened(f"redis://:{password}@localhost:6379/0")
    assert "%23 for #" in str(caught.value)
    said = str(caught.value).replace("redis://localhost:6379/0", "")
    assert not any(part in said for part in ("eim", "'geh'", "'12'", ":12"))


async def test_a_refused_password_is_an_error_that_does_not_repeat_it(opened: Open, tmp_path: Path) -> None:
    with redis_server(tmp_path, "--requirepass", "geheim") as redis:
        for url in (redis.url, redis.url.replace("://", "://:falsch@")):
            with pytest.raises(StoreError, match="refuses the password") as caught:
                await opened(url)
            assert "redis://:password@" in caught.value.hint
            assert "falsch" not in str(caught.value)
        store = await opened(redis.url.replace("://", "://:geheim@"))
        await store.put_lobby(LobbyRecord("a", "A"))
        assert await store.lobbies() == [LobbyRecord("a", "A")]


async def test_the_store_works_again_once_redis_is_back(opened: Open, tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        store = await opened(redis.url)
        token = await store.acquire("a", store.owner, 60)
        await store.put_lobby(LobbyRecord("a", "A", 1), token)
        redis.stop()
        for call in (store.lobbies, lambda: store.put_lobby(LobbyRecord("a", "B", 2), token)):
            with pytest.raises(StoreError) as caught:
                await call()
            assert caught.value.retryable
        redis.start()
        await eventually(lambda: store.put_lobby(LobbyRecord("a", "C", 3), token))
        assert await store.lobbies() == [LobbyRecord("a", "C", 3)]
        later = await store.acquire("a", store.owner, 60)
        assert later is not None
        assert token is not None
        assert later > token


async def test_connections_that_redis_closed_cause_no_errors(opened: Open, redis: RedisServer) -> None:
    store = await opened(redis.url)
    await asyncio.gather(*(store.get_lobby("a") for _ in range(5)))
    idle = store._redis.connection_pool._available_connections
    assert len(idle) == 5
    async with Redis.from_url(redis.url) as admin:
        await admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    async with asyncio.timeout(GUARD):
        while not all(connection._reader.at_eof() for connection in idle):  # noqa: ASYNC110
            await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.gather(*(store.get_lobby("a") for _ in range(5)))


async def test_a_waiting_reader_continues_where_it_was(opened: Open, tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        store = await opened(redis.url)
        first = await store.append("s", b"first")
        waiting = asyncio.create_task(store.read("s", first, wait=60))
        await store.lobbies()  # Redis has got the wait by now, too
        redis.stop()
        with pytest.raises(StoreError):
            await waiting
        redis.start()
        second = await eventually(lambda: store.append("s", b"second"))
        assert await eventually(lambda: store.read("s", first, wait=60)) == [(second, b"second")]


async def test_two_servers_share_a_store(opened: Open, redis: RedisServer) -> None:
    one, two = await opened(redis.url, "one"), await opened(redis.url, "two")
    assert one.owner != two.owner
    token = await one.acquire("shared", one.owner, 60)
    assert token is not None
    assert await two.acquire("shared", two.owner, 60) is None
    waiting = asyncio.create_task(two.read("shared", wait=30))
    id = await one.append("shared", b"hello")
    assert await waiting == [(id, b"hello")]
    await one.drop("shared")
    await one.release("shared", one.owner, token)


async def test_a_server_knows_its_own_leases_after_a_restart(opened: Open, redis: RedisServer) -> None:
    before = await opened(redis.url)
    assert await before.acquire("mine", before.owner, 60) is not None
    await before.aclose()
    after = await opened(redis.url)
    token = await after.acquire("mine", after.owner, 60)
    assert token is not None
    await after.release("mine", after.owner, token)


async def test_unused_keys_expire(opened: Open, redis: RedisServer) -> None:
    store = await opened(redis.url)
    seat = SeatRecord("expiry", "p-1", "Ada")
    await store.put_session(SessionRecord("k1", "s-expiry", 10.0, previous_key="k0", seat=seat))
    await store.append("expiry", b"x")
    async with Redis.from_url(redis.url) as client:
        for name in ("session:s-expiry", "key:k1", "key:k0", "stream:expiry"):
            assert 0 < await client.ttl(f"voicebot:{name}") <= 24 * 3600
        await client.delete("voicebot:session:s-expiry")  # as when its time is over
    assert await store.seats("expiry") == []
    async with Redis.from_url(redis.url) as client:
        assert await client.exists("voicebot:seats:expiry") == 0


async def test_the_documented_user_may_do_only_what_a_server_does(tmp_path: Path) -> None:
    """The one of operating.md; the other tests of the store work with it."""
    with redis_server(tmp_path) as redis:
        async with Redis.from_url(redis.limited(), protocol=2) as limited:
            for command in (
                ("CONFIG", "GET", "*"),
                ("FLUSHALL",),
                ("KEYS", "*"),
                ("ACL", "LIST"),
                ("DEBUG", "JMAP"),
                ("SET", "of-another-program", "1"),
                ("PUBLISH", "anything", "1"),
                ("EVAL", "return redis.call('GET', 'of-another-program')", "0"),
            ):
                with pytest.raises(RedisError, match=r"(?i)no permissions|can.t access|not allowed"):
                    await limited.execute_command(*command)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://127.0.0.1:1/0", []),
        ("redis://localhost:1/0", []),
        ("redis://[::1]:1", []),
        ("redis://:geheim@10.0.0.5:1/0", []),
        ("redis://user:geheim@cache:1/0", []),
        ("redis://10.0.0.5:1/0", ["password"]),
        ("redis://cache:1/0", ["password"]),
        ("redis://:geheim@redis.example.org:1/0", ["unencrypted"]),
        ("redis://redis.example.org:1/0?password=geheim", ["unencrypted"]),
        ("redis://8.8.8.8:1/0", ["password", "unencrypted"]),
        ("rediss://:geheim@redis.example.org:1/0", []),
        ("rediss://redis.example.org:1/0", ["password"]),
        ("rediss://:geheim@redis.example.org:1/0?ssl_cert_reqs=none", ["not checked"]),
    ],
)
async def test_an_exposed_redis_causes_a_warning(
    url: str,
    said: list[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nobody(*_: object, **__: object) -> None:
        raise OSError("nobody is there")

    monkeypatch.setattr("redis.asyncio.connection.Connection._connect", nobody)
    with caplog.at_level(logging.WARNING), pytest.raises(StoreError) as caught:
        await RedisStore.open(url, FolderLock(tmp_path))
    warnings = [r.getMessage() for r in caplog.records if r.name == "voicebot.store.redis"]
    assert len(warnings) == len(said)
    for word, warning in zip(said, warnings, strict=True):
        assert word in warning
        assert "STORE" in warning
    assert "geheim" not in "".join([*warnings, str(caught.value)])
