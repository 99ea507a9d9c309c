"""What every store must do; each implementation is run through the same tests."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.conftest import LEASE, Place
from voicebot.store.base import (
    AgentRecord,
    BanRecord,
    LeaseLost,
    LobbyRecord,
    ReportRecord,
    SeatRecord,
    SessionRecord,
    Store,
)

SOON = 4e9  # far enough, in Unix seconds
ODD = "Zoë 🦜 \u202e\u0000 'quoted\" \\ line\nbreak"


def seated(handle: str, lobby: str, key: str = "") -> SessionRecord:
    seat = SeatRecord(lobby, f"p-{handle}", f"Name of {handle}", "host", muted=True, camera=True)
    return SessionRecord(key or f"k-{handle}", handle, SOON, seat=seat)


# ---------------------------------------------------------------- sessions


async def test_a_session_is_found_by_its_current_and_previous_secret(store: Store) -> None:
    assert await store.get_session("k1") is None
    record = SessionRecord("k1", "s-1", SOON, rotated=1.5)
    await store.put_session(record)
    assert await store.get_session("k1") == record
    rotated = SessionRecord("k2", "s-1", SOON, 2.5, previous_key="k1", previous_until=3.5)
    await store.put_session(rotated)
    assert await store.get_session("k1") == await store.get_session("k2") == rotated
    again = SessionRecord("k3", "s-1", SOON, 4.5, previous_key="k2", previous_until=5.5)
    await store.put_session(again)
    assert await store.get_session("k1") is None
    assert await store.get_session("k2") == await store.get_session("k3") == again
    assert await store.get_session("") is None


async def test_a_deleted_session_is_not_found_by_any_of_its_secrets(store: Store) -> None:
    await store.put_session(replace(seated("s-1", "a"), previous_key="before"))
    await store.put_session(seated("s-2", "a"))
    await store.delete_session("s-1")
    await store.delete_session("s-1")
    assert await store.get_session("k-s-1") is None
    assert await store.get_session("before") is None
    assert await store.seats("a") == [seated("s-2", "a")]


async def test_seats_follow_the_session_from_lobby_to_lobby(store: Store) -> None:
    for handle in ("s-1", "s-2", "s-3"):
        await store.put_session(seated(handle, "a"))
    await store.put_session(seated("s-2", "b"))
    await store.put_session(replace(seated("s-3", "a"), seat=None))
    assert await store.seats("a") == [seated("s-1", "a")]
    assert await store.seats("b") == [seated("s-2", "b")]
    assert await store.seats("c") == []
    assert await store.get_session("k-s-3") == SessionRecord("k-s-3", "s-3", SOON)


async def test_expired_sessions_stay_until_they_are_swept(store: Store) -> None:
    old = replace(seated("s-1", "a"), expires=10.0, previous_key="before")
    await store.put_session(old)
    await store.put_session(replace(seated("s-2", "a"), expires=20.0))
    await store.put_session(seated("s-3", "a"))
    assert await store.get_session("before") == old
    assert await store.sweep(10.0) == 0
    assert await store.sweep(20.0) == 1
    assert await store.get_session("k-s-1") is None
    assert await store.get_session("before") is None
    assert await store.sweep(21.0) == 1
    assert await store.sweep(1e9) == 0
    assert await store.seats("a") == [seated("s-3", "a")]


async def test_many_sessions_are_swept_at_once(store: Store) -> None:
    for number in range(1200):
        await store.put_session(SessionRecord(f"k{number}", f"s-{number}", float(number)))
    assert await store.sweep(1100.0) == 1100
    assert await store.get_session("k1099") is None
    assert await store.get_session("k1100") is not None


# ---------------------------------------------------------------- lobbies


async def test_lobbies_are_listed_in_order_of_creation(store: Store) -> None:
    for id in ("b", "a", "c"):
        await store.put_lobby(LobbyRecord(id, id.upper()))
    await store.put_lobby(LobbyRecord("b", "Renamed", 2))
    await store.delete_lobby("a")
    await store.delete_lobby("a")
    assert await store.lobbies() == [LobbyRecord("b", "Renamed", 2), LobbyRecord("c", "C")]
    assert await store.get_lobby("b") == LobbyRecord("b", "Renamed", 2)
    assert await store.get_lobby("a") is None
    await store.put_lobby(LobbyRecord("a", "Anew"))
    assert [record.id for record in await store.lobbies()] == ["b", "c", "a"]


async def test_an_older_version_is_not_written(store: Store) -> None:
    await store.put_lobby(LobbyRecord("a", "Ninth", 9))
    await store.put_lobby(LobbyRecord("a", "Eighth", 8))
    assert await store.get_lobby("a") == LobbyRecord("a", "Ninth", 9)
    await store.put_lobby(LobbyRecord("a", "Ninth again", 9))
    await store.put_lobby(LobbyRecord("a", "Tenth", 10))
    assert await store.get_lobby("a") == LobbyRecord("a", "Tenth", 10)


async def test_concurrent_writes_leave_the_newest_version(store: Store) -> None:
    versions = [7, 40, 3, 39, 1, 22]
    await asyncio.gather(*(store.put_lobby(LobbyRecord("a", f"v{v}", v)) for v in versions))
    assert await store.get_lobby("a") == LobbyRecord("a", "v40", 40)
    await asyncio.gather(*(store.put_session(seated(f"s-{n}", "a")) for n in range(10)))
    assert {record.handle for record in await store.seats("a")} == {f"s-{n}" for n in range(10)}


# ---------------------------------------------------------------- moderation


async def test_bans_are_listed_oldest_first_and_deleted_with_their_lobby(store: Store) -> None:
    late, early = (
        BanRecord("a", "s-1", "Late", "s-9", "noise", 20.0),
        BanRecord("a", "s-2", "Early", "", "", 10.0),
    )
    other = BanRecord("b", "s-1", "Late", "s-9", "noise", 5.0)
    await store.put_lobby(LobbyRecord("a", "A"))
    for ban in (late, early, other):
        await store.put_ban(ban)
    assert await store.bans("a") == [early, late]
    await store.put_ban(replace(late, reason="worse", at=25.0))
    assert await store.bans("a") == [early, replace(late, reason="worse", at=25.0)]
    await store.delete_ban("a", "s-2")
    await store.delete_ban("a", "s-2")
    assert [ban.handle for ban in await store.bans("a")] == ["s-1"]
    await store.delete_lobby("a")
    assert await store.bans("a") == []
    assert await store.bans("b") == [other]
    await store.delete_lobby("b")  # which was never put
    assert await store.bans("b") == []


async def test_reports_outlive_their_lobby(store: Store) -> None:
    first = ReportRecord("r-1", "a", "c-1", "s-1", "p-2", "Bob", "insults", 10.0)
    second = ReportRecord("r-2", "b", "c-2", "s-1", "", "", "noise", 5.0)
    await store.put_lobby(LobbyRecord("a", "A"))
    for report in (first, second, first):
        await store.put_report(report)
    await store.delete_lobby("a")
    assert await store.reports() == [second, first]
    assert await store.reports("a") == [first]
    assert await store.reports("c") == []


# ---------------------------------------------------------------- leases


async def test_a_lease_has_one_owner_until_it_expires(store: Store, place: Place) -> None:
    first = await store.acquire("a", "one", LEASE)
    assert first is not None
    assert await store.acquire("b", "two", 60) is not None  # another lease
    await place.run_out(store, "a")
    second = await store.acquire("a", "two", 60)
    assert second is not None
    assert second > first
    assert await store.acquire("a", "one", 60) is None
    assert not await store.renew("a", "one", first, 60)
    assert await store.renew("a", "two", second, 60)


async def test_a_renewed_lease_does_not_expire(store: Store, place: Place) -> None:
    token = await store.acquire("a", "one", LEASE)
    assert token is not None
    assert await store.renew("a", "one", token, 60)
    if not hasattr(place, "now"):
        assert await store.acquire("a", "two", 60) is None
        return
    await place.run_out(store, "a")
    assert await store.acquire("a", "two", 60) is None


async def test_an_expired_lease_cannot_be_renewed(store: Store, place: Place) -> None:
    token = await store.acquire("a", "one", LEASE)
    assert token is not None
    await place.run_out(store, "a")
    assert not await store.renew("a", "one", token, 60)


async def test_the_owner_acquires_a_lease_again_with_a_larger_token(store: Store) -> None:
    first = await store.acquire("a", "one two", 60)
    second = await store.acquire("a", "one two", 60)
    assert first is not None
    assert second is not None
    assert second > first
    assert not await store.renew("a", "one two", first, 60)
    assert await store.acquire("a", "one", 60) is None


async def test_a_released_lease_is_free(store: Store) -> None:
    token = await store.acquire("a", "one", 60)
    assert token is not None
    await store.release("a", "two", token)
    await store.release("a", "one", token + 1)
    assert await store.acquire("a", "two", 60) is None
    await store.release("a", "one", token)
    await store.release("a", "one", token)
    later = await store.acquire("a", "two", 60)
    assert later is not None
    assert later > token


async def test_only_one_of_many_gets_the_lease(store: Store) -> None:
    tokens = await asyncio.gather(*(store.acquire("a", f"node {n}", 60) for n in range(20)))
    assert len([token for token in tokens if token is not None]) == 1


async def test_a_stale_token_writes_and_deletes_nothing(store: Store, place: Place) -> None:
    stale = await store.acquire("a", "one", LEASE)
    assert stale is not None
    await store.put_lobby(LobbyRecord("a", "Mine", 1), stale)
    await store.put_ban(BanRecord("a", "s-1", "Eve", "", "", 1.0))
    await place.run_out(store, "a")
    await store.put_lobby(LobbyRecord("a", "Still mine", 2), stale)  # nobody else has it yet
    fresh = await store.acquire("a", "two", 60)
    with pytest.raises(LeaseLost):
        await store.put_lobby(LobbyRecord("a", "Not mine", 3), stale)
    with pytest.raises(LeaseLost):
        await store.delete_lobby("a", stale)
    assert await store.get_lobby("a") == LobbyRecord("a", "Still mine", 2)
    assert len(await store.bans("a")) == 1
    await store.put_lobby(LobbyRecord("a", "Theirs", 3), fresh)
    assert fresh is not None
    await store.release("a", "two", fresh)
    with pytest.raises(LeaseLost):
        await store.put_lobby(LobbyRecord("a", "Not mine", 4), stale)
    await store.put_lobby(LobbyRecord("a", "Who runs the server may", 5))
    await store.delete_lobby("a", fresh)
    assert await store.lobbies() == []


# ---------------------------------------------------------------- all of them


async def test_everything_is_back_after_a_restart(store: Store, place: Place) -> None:
    lobby = LobbyRecord(
        "a",
        ODD,
        7,
        {"private": True, "people": 3},
        hosts=("s-1", "s-2"),
        admitted=("s-3",),
        agents=(
            AgentRecord(
                "agent-1", {"name": ODD, "voice": {"rate": 1.1}}, True, "openai:x", "espeak", ("tide", ODD)
            ),
        ),
        closes_when_empty=True,
        created=1.25,
    )
    session = replace(seated("s-1", "a"), previous_key="k0", previous_until=5.5)
    ban, report = (
        BanRecord("a", "s-9", ODD, "s-1", ODD, 1.5),
        ReportRecord("r", "a", "c", "s-1", "p-1", ODD, ODD, 2.5),
    )
    await store.put_lobby(lobby)
    await store.put_session(session)
    await store.put_ban(ban)
    await store.put_report(report)
    await store.aclose()
    again = await place.open()
    assert again.durable or again is store
    assert await again.lobbies() == [lobby]
    assert await again.get_session("k-s-1") == await again.get_session("k0") == session
    assert await again.seats("a") == [session]
    assert await again.bans("a") == [ban]
    assert await again.reports("a") == [report]
    await again.put_lobby(LobbyRecord("b", "Later"))
    assert [record.id for record in await again.lobbies()] == ["a", "b"]


async def test_closing_twice_is_safe(store: Store) -> None:
    await store.aclose()
    await store.aclose()


async def test_an_abandoned_store_loses_nothing(store: Store, place: Place) -> None:
    await store.put_lobby(LobbyRecord("a", "A"))
    store.abandon()
    store.abandon()
    again = await place.open()
    assert await again.lobbies() == [LobbyRecord("a", "A")]


TEXT = st.text(max_size=30)
ID = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=12)
TIME = st.floats(0, 4e9, allow_nan=False)
JSON = st.dictionaries(
    TEXT,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.floats(allow_nan=False, allow_infinity=False)
        | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
SEATS = st.builds(SeatRecord, ID, ID, TEXT, st.sampled_from(["host", "guest"]), st.booleans(), st.booleans())
AGENTS = st.builds(AgentRecord, ID, JSON, st.booleans(), TEXT, TEXT, st.lists(TEXT, max_size=3).map(tuple))
RECORDS = st.one_of(
    st.builds(SessionRecord, st.just("key"), ID, TIME, TIME, ID, TIME, st.none() | SEATS),
    st.builds(
        LobbyRecord,
        ID,
        TEXT,
        st.integers(0, 2**53),
        JSON,
        st.lists(ID, max_size=3).map(tuple),
        st.lists(ID, max_size=3).map(tuple),
        st.lists(AGENTS, max_size=3).map(tuple),
        st.booleans(),
        TIME,
    ),
    st.builds(BanRecord, ID, ID, TEXT, ID, TEXT, TIME),
    st.builds(ReportRecord, ID, ID, ID, ID, ID, TEXT, TEXT, TIME),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(records=st.lists(RECORDS, min_size=1, max_size=4))
async def test_every_record_comes_back_as_it_was(store: Store, records: list[Any]) -> None:
    for record in records:
        match record:
            case SessionRecord():
                await store.put_session(record)
                assert await store.get_session("key") == record
                await store.delete_session(record.handle)
            case LobbyRecord():
                await store.put_lobby(record)
                assert await store.get_lobby(record.id) == record
                await store.delete_lobby(record.id)
            case BanRecord():
                await store.put_ban(record)
                assert await store.bans(record.lobby_id) == [record]
                await store.delete_ban(record.lobby_id, record.handle)
            case ReportRecord():
                await store.put_report(record)
                assert record in await store.reports(record.lobby_id)
