"""What every store must do; each implementation is run through the same tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from voicebot.store.base import LobbyRecord, SessionRecord, Store
from voicebot.store.memory import MemoryStore


@pytest.fixture(params=[MemoryStore])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    made: Store = request.param()
    yield made
    await made.aclose()


async def test_sessions(store: Store) -> None:
    assert await store.get_session("k") is None
    await store.put_session(SessionRecord("k", "s-1", 1.0))
    await store.put_session(SessionRecord("k", "s-1", 2.0))
    assert await store.get_session("k") == SessionRecord("k", "s-1", 2.0)
    await store.delete_session("s-1")
    await store.delete_session("s-1")
    assert await store.get_session("k") is None


async def test_lobbies_in_the_order_they_were_made(store: Store) -> None:
    for id in ("b", "a", "c"):
        await store.put_lobby(LobbyRecord(id, id.upper()))
    await store.put_lobby(LobbyRecord("b", "Renamed", 2))
    await store.delete_lobby("a")
    await store.delete_lobby("a")
    assert await store.lobbies() == [LobbyRecord("b", "Renamed", 2), LobbyRecord("c", "C")]
    assert await store.get_lobby("b") == LobbyRecord("b", "Renamed", 2)
    assert await store.get_lobby("a") is None
