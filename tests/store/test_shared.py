"""The further methods of a store that several servers share, in a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.conftest import LEASE, RedisPlace
from tests.support.redis_server import RedisServer
from voicebot.store.base import LeaseLost, LobbyRecord, SeatRecord, SessionRecord
from voicebot.store.memory import MemoryStore
from voicebot.store.redis import RedisStore
from voicebot.store.shared import Lease, shared

pytestmark = pytest.mark.needs("redis-server")
SOON = time.time() + 3600.5


@pytest.fixture
async def place(redis: RedisServer, tmp_path: Path) -> AsyncIterator[RedisPlace]:
    made = RedisPlace(redis.limited(), tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def store(place: RedisPlace) -> RedisStore:
    store = await place.open()
    assert isinstance(store, RedisStore)
    assert shared(store) is store
    return store


def test_a_store_of_one_server_is_not_shared() -> None:
    assert shared(MemoryStore()) is None


async def test_a_session_is_found_by_its_public_name(store: RedisStore) -> None:
    assert await store.find_session("s-1") is None
    await store.put_session(replace(SessionRecord("k1", "s-1", SOON), seat=SeatRecord("a", "p-1", "Ann")))
    assert await store.find_session("s-1") == replace(
        SessionRecord("k1", "s-1", SOON), seat=SeatRecord("a", "p-1", "Ann")
    )
    await store.delete_session("s-1")
    assert await store.find_session("s-1") is None


async def test_new_secrets_leave_the_seat_as_it_is(store: RedisStore) -> None:
    await store.put_secrets(SessionRecord("k1", "s-1", SOON))
    assert await store.get_session("k1") == SessionRecord("k1", "s-1", SOON)
    seat = SeatRecord("a", "p-1", "Ann")
    await store.put_seat("s-1", seat)
    rotated = SessionRecord("k2", "s-1", SOON, 2.5, previous_key="k1", previous_until=3.5)
    await store.put_secrets(rotated)
    assert await store.get_session("k2") == await store.get_session("k1") == replace(rotated, seat=seat)
    assert await store.seats("a") == [replace(rotated, seat=seat)]


async def test_only_the_lobby_that_gave_a_seat_frees_it(store: RedisStore) -> None:
    await store.put_seat("s-1", SeatRecord("a", "p-1", "Ann"))
    assert await store.find_session("s-1") is None
    plain = SessionRecord("k1", "s-1", SOON)
    await store.put_session(plain)
    first, second = SeatRecord("a", "p-1", "Zoë\n{}"), SeatRecord("b", "p-2", "Ann", camera=True)
    await store.put_seat("s-1", first)
    assert await store.seats("a") == [replace(plain, seat=first)]
    await store.put_seat("s-1", second, freed=first)
    assert await store.seats("a") == []
    assert await store.seats("b") == [replace(plain, seat=second)]
    await store.put_seat("s-1", None, freed=first)
    assert await store.seats("b") == [replace(plain, seat=second)]
    await store.put_seat("s-1", None, freed=second)
    assert await store.seats("b") == []
    assert await store.get_session("k1") == plain


async def test_a_stale_token_gives_and_frees_no_seat(store: RedisStore, place: RedisPlace) -> None:
    stale = await store.acquire("a", "one", LEASE)
    await store.put_session(SessionRecord("k1", "s-1", SOON))
    seat = SeatRecord("a", "p-1", "Ann")
    await store.put_seat("s-1", seat, token=stale)
    await place.run_out(store, "a")
    fresh = await store.acquire("a", "two", 60)
    with pytest.raises(LeaseLost):
        await store.put_seat("s-1", replace(seat, name="Eve"), token=stale)
    with pytest.raises(LeaseLost):
        await store.put_seat("s-1", None, freed=seat, token=stale)
    assert [one.seat for one in await store.seats("a")] == [seat]
    await store.put_seat("s-1", None, freed=seat, token=fresh)
    assert await store.seats("a") == []


async def test_the_holder_of_a_lease_is_known_until_it_expires(store: RedisStore, place: RedisPlace) -> None:
    assert await store.holder("a") is None
    token = await store.acquire("a", "one two", LEASE)
    assert token is not None
    assert await store.holder("a") in (Lease("one two", token), None)  # None: it took that long
    await place.run_out(store, "a")
    assert await store.holder("a") is None
    token = await store.acquire("a", "two", 60)
    assert token is not None
    assert await store.holder("a") == Lease("two", token)
    await store.release("a", "two", token)
    assert await store.holder("a") is None


async def test_lobbies_that_nobody_holds_are_orphans(store: RedisStore) -> None:
    for id in ("a", "b"):
        await store.put_lobby(LobbyRecord(id, "Tea room"))
    token = await store.acquire("a", "one", 60)
    assert token is not None
    assert await store.orphans() == [LobbyRecord("b", "Tea room")]
    await store.release("a", "one", token)
    assert await store.orphans() == await store.lobbies()


async def test_entries_that_were_read_can_be_deleted(store: RedisStore) -> None:
    ids = [await store.append("s", b"%d" % n) for n in range(3)]
    await store.trim("s", ids[1])
    await store.trim("s", ids[1])
    await store.trim("nowhere", ids[1])
    assert await store.read("s") == [(ids[2], b"2")]
    await store.trim("s", ids[2])
    last = await store.append("s", b"3")
    assert await store.read("s", ids[2]) == [(last, b"3")]


async def test_a_cancellation_is_not_lost_when_the_answer_arrives_at_the_same_time(store: RedisStore) -> None:
    async def deaf() -> str:
        """As asyncio.wait_for of Python 3.11, when what it waits for is done."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "answer"
        raise AssertionError

    task = asyncio.create_task(store._call(deaf()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await store._call(deaf())


async def test_a_cancelled_task_can_still_use_the_store_to_clean_up(store: RedisStore) -> None:
    kept: list[int | None] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            kept.append(await store.acquire("a", "one", 60))

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert kept != [None]
    assert await store.holder("a") == Lease("one", kept[0] or 0)


# ---------------------------------------------------------------- streams


async def test_a_reader_gets_the_entries_after_a_given_id(store: RedisStore) -> None:
    assert await store.read("s") == []
    ids = [await store.append("s", b"%d" % n) for n in range(3)]
    await store.append("other", b"\x00\xff")
    assert await store.read("s") == list(zip(ids, (b"0", b"1", b"2"), strict=True))
    assert await store.read("s", ids[0]) == [(ids[1], b"1"), (ids[2], b"2")]
    assert await store.read("s", ids[2]) == []
    [(_, data)] = await store.read("other")
    assert data == b"\x00\xff"


async def test_a_stream_keeps_the_newest_thousand(store: RedisStore) -> None:
    for n in range(1005):
        last = await store.append("s", b"%d" % n)
    entries = await store.read("s")
    assert [data for _, data in entries] == [b"%d" % n for n in range(5, 1005)]
    assert entries[-1][0] == last


async def test_a_waiting_reader_is_woken(store: RedisStore) -> None:
    last = await store.append("s", b"before")
    waiting = [asyncio.create_task(store.read("s", last, wait=30)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    await store.append("other", b"not this one")
    id = await store.append("s", b"this one")
    assert await asyncio.gather(*waiting) == [[(id, b"this one")]] * 3


async def test_a_reader_waits_no_longer_than_asked(store: RedisStore) -> None:
    assert await store.read("s", wait=0.02) == []
    await store.append("s", b"there")
    assert len(await store.read("s", wait=30)) == 1


async def test_a_slow_reader_misses_nothing(store: RedisStore) -> None:
    async def write() -> None:
        for n in range(600):
            await store.append("s", b"%d" % n)

    async def read() -> list[bytes]:
        got: list[bytes] = []
        last = ""
        while len(got) < 600:
            for id, data in await store.read("s", last, wait=10):
                last = id
                got.append(data)
            await writing if len(got) < 300 else None  # away while most is written
        return got

    writing = asyncio.create_task(write())
    assert await read() == [b"%d" % n for n in range(600)]


async def test_entries_of_simultaneous_writers_are_all_kept(store: RedisStore) -> None:
    async def write(writer: int) -> list[str]:
        return [await store.append("s", b"%d" % n) for n in range(writer, 100, 10)]

    ids = [id for written in await asyncio.gather(*map(write, range(10))) for id in written]
    entries = await store.read("s")
    assert sorted(ids) == sorted(id for id, _ in entries)
    assert {data for _, data in entries} == {b"%d" % n for n in range(100)}


async def test_a_dropped_stream_is_empty(store: RedisStore) -> None:
    await store.append("s", b"x")
    await store.drop("s")
    await store.drop("s")
    assert await store.read("s") == []
    await store.append("s", b"y")
    assert [data for _, data in await store.read("s")] == [b"y"]
