"""The three stores, each opened on what a test before it, or the same one, has left there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from redis.asyncio import Redis

from tests.support.redis_server import RedisServer, redis_server
from tests.support.waiting import GUARD
from voicebot.store.base import Store
from voicebot.store.exclusive import FolderLock
from voicebot.store.memory import MemoryStore
from voicebot.store.redis import PREFIX, RedisStore
from voicebot.store.sqlite import FILE, SqliteStore

LEASE = 0.05
"""Seconds of a lease that a test lets run out."""


class Place(Protocol):
    """Where one kind of store keeps its things."""

    async def open(self) -> Store: ...
    async def run_out(self, store: Store, name: str) -> None:
        """Let LEASE seconds pass for this lease."""
        ...

    async def close(self) -> None: ...


class MemoryPlace:
    def __init__(self) -> None:
        self.now = 1000.0
        self._store = MemoryStore(lambda: self.now)

    async def open(self) -> Store:
        return self._store

    async def run_out(self, store: Store, name: str) -> None:
        self.now += LEASE

    async def close(self) -> None:
        await self._store.aclose()


class SqlitePlace:
    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.folder = folder
        self._opened: list[Store] = []

    async def open(self) -> Store:
        """As after a restart: whoever had it before has closed it."""
        await self.close()
        store = await SqliteStore.open(self.folder / FILE, lambda: self.now)
        self._opened.append(store)
        return store

    async def run_out(self, store: Store, name: str) -> None:
        self.now += LEASE

    async def close(self) -> None:
        while self._opened:
            await self._opened.pop().aclose()


class RedisPlace:
    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        self._prefix = f"{PREFIX}{secrets.token_hex(4)}:"
        self._opened: list[Store] = []

    async def open(self) -> Store:
        """One more server beside those that have it open."""
        store = await RedisStore.open(self._url, FolderLock(self._folder), self._prefix)
        self._opened.append(store)
        return store

    async def run_out(self, store: Store, name: str) -> None:
        async with Redis.from_url(self._url) as redis, asyncio.timeout(GUARD):
            while await redis.pttl(f"{self._prefix}lease:{name}") >= 0:
                continue

    async def close(self) -> None:
        while self._opened:
            await self._opened.pop().aclose()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for all tests that do not stop it."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.needs("redis-server"))])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    made: Place
    if request.param == "memory":
        made = MemoryPlace()
    elif request.param == "sqlite":
        made = SqlitePlace(tmp_path)
    else:
        made = RedisPlace(request.getfixturevalue("redis").limited(), tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def store(place: Place) -> Store:
    return await place.open()
