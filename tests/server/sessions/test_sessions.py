"""Cookies and sessions: rotated secrets, and records that survive the process."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from voicebot.errors import StoreError
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Limits
from voicebot.server.sessions.sessions import (
    EXPIRED_SECONDS,
    IDLE_SECONDS,
    OVERLAP_SECONDS,
    ROTATE_SECONDS,
    ClientSession,
    Sessions,
)
from voicebot.signaling.messages import Pong
from voicebot.signaling.written import write
from voicebot.store.base import SeatRecord, SessionRecord
from voicebot.store.memory import MemoryStore

HOUR = 3600.0


class Time:
    """A monotonic clock and a wall clock that advance together."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now


class UnsteadyStore(MemoryStore):
    """A store that can fail and counts its writes."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.puts: list[SessionRecord] = []

    async def put_session(self, record: SessionRecord) -> None:
        if self.broken:
            raise StoreError("The disk is full.", hint="Free some space.")
        self.puts.append(record)
        await super().put_session(record)

    async def get_session(self, key: str) -> SessionRecord | None:
        if self.broken:
            raise StoreError("The disk is gone.")
        return await super().get_session(key)

    async def sweep(self, now: float) -> int:
        if self.broken:
            raise StoreError("The disk is gone.")
        return await super().sweep(now)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store() -> UnsteadyStore:
    return UnsteadyStore()


@pytest.fixture
def sessions(store: UnsteadyStore, time: Time) -> Sessions:
    return Sessions(store, time.clock, time.wall, lifetime=12 * HOUR)


def key(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def seated(hosting: Hosting, participant_id: str) -> ClientSession:
    browser = hosting.controller("demo").presence.get(participant_id)
    assert browser is not None
    return browser


def own_origin(hosting: Hosting) -> dict[str, str]:
    return {"Origin": hosting.url.rstrip("/")}


async def refuses(sessions: Sessions, secret: str) -> bool:
    return await sessions.valid(secret) is None


# ---------------------------------------------------------------- secrets


async def test_a_secret_has_256_bits_and_only_its_hash_is_kept(
    sessions: Sessions, store: UnsteadyStore
) -> None:
    secret, browser = await sessions.create()
    other, _ = await sessions.create()
    assert secret != other
    assert len(secret) == 43
    assert store.puts[0].key == key(secret)
    assert secret not in repr(store.puts)
    assert browser.session.handle not in secret
    assert await sessions.find(secret) is browser


@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s + "A", str.swapcase, lambda s: "A" * 10**6])
async def test_a_wrong_secret_finds_no_session(sessions: Sessions, change: Callable[[str], str]) -> None:
    secret, _ = await sessions.create()
    assert await refuses(sessions, change(secret))
    assert await refuses(sessions, key(secret))
    assert await sessions.find(None) is None
    assert await sessions.find("") is None


async def test_an_old_secret_is_rotated(sessions: Sessions, store: UnsteadyStore, time: Time) -> None:
    first, browser = await sessions.create()
    time.now += ROTATE_SECONDS - 1
    assert await sessions.admit(first) == (browser, None)
    time.now += 1
    same, second = await sessions.admit(first)
    assert same is browser
    assert second is not None
    assert second != first
    assert store.puts[-1].key == key(second)
    assert store.puts[-1].expires == store.puts[0].expires
    assert await sessions.find(second) is browser
    assert await sessions.admit(second) == (browser, None)


async def test_the_previous_secret_is_valid_for_a_minute_after_the_new_one_was_used(
    sessions: Sessions, time: Time
) -> None:
    first, browser = await sessions.create()
    time.now += ROTATE_SECONDS
    _, second = await sessions.admit(first)
    time.now += OVERLAP_SECONDS - 1
    assert await sessions.admit(first) == (browser, None)  # another tab, at the same time
    assert await sessions.find(second) is browser
    time.now += OVERLAP_SECONDS - 1
    assert await sessions.admit(first) == (browser, None)
    time.now += 1
    assert await refuses(sessions, first)
    assert await sessions.find(second) is browser
    stranger, third = await sessions.admit(first)
    assert stranger is not browser
    assert third is not None


async def test_a_new_secret_that_got_lost_is_replaced(sessions: Sessions, time: Time) -> None:
    first, browser = await sessions.create()
    time.now += ROTATE_SECONDS
    _, lost = await sessions.admit(first)
    assert lost is not None
    time.now += OVERLAP_SECONDS
    again, third = await sessions.admit(first)
    assert again is browser
    assert third is not None
    assert await refuses(sessions, lost)
    assert await sessions.find(third) is browser
    time.now += OVERLAP_SECONDS
    assert await refuses(sessions, first)


async def test_rotation_and_overlap_survive_a_restart(
    sessions: Sessions, store: UnsteadyStore, time: Time
) -> None:
    first, browser = await sessions.create()
    time.now += ROTATE_SECONDS
    _, second = await sessions.admit(first)
    assert await sessions.find(second) is browser
    await sessions.aclose()
    later = Sessions(store, time.clock, time.wall)
    for secret in (first, second):
        found = await later.find(secret)
        assert found is not None
        assert found.session.handle == browser.session.handle
    time.now += OVERLAP_SECONDS
    assert await refuses(later, first)
    assert not await refuses(later, second or "")


async def test_a_page_load_renews_the_cookie_without_affecting_the_socket(
    host: Any, visit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hosting: Hosting = await host()
    ada = await visit(hosting, joined="Ada")
    before = ada.cookie
    sessions = hosting._sessions
    handle = (await ada.http.post("api/session")).json()["session"]
    assert ada.cookie == before
    sessions._index(replace(sessions._records[handle], rotated=0.0))
    answer = await ada.http.post("api/session")
    assert answer.json()["session"] == handle
    assert ada.cookie != before
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=lax" in flags
    assert 0 < int(flags.split("max-age=")[1].split(";")[0]) <= 12 * HOUR
    await ada.settle()
    await ada.open()
    hello = await ada.expect("session_established")
    assert (hello["data"]["session"], hello["data"]["participant_id"]) == (handle, ada.me)
    secret = ada.cookie.split("=")[1]
    assert secret not in caplog.text


# ---------------------------------------------------------------- expiry


async def test_expired_and_unknown_sessions_are_distinguished(
    sessions: Sessions, store: UnsteadyStore, time: Time
) -> None:
    secret, _ = await sessions.create()
    time.now += 12 * HOUR
    assert await refuses(sessions, secret)
    await sessions.sweep()
    assert sessions._clients == {}
    found = await sessions.find(secret)
    assert found is not None
    assert found.session.expired(time.now)
    time.now += EXPIRED_SECONDS + 1
    await sessions.sweep()
    assert await sessions.find(secret) is None
    assert await store.get_session(key(secret)) is None


async def test_the_lifetime_is_a_setting(host: Any, settings: Any, visit: Any) -> None:
    hosting: Hosting = await host(settings=settings.model_copy(update={"session_hours": 0.5}))
    async with httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting)) as http:
        answer = await http.post("api/session")
    assert "max-age=1799" in answer.headers["set-cookie"].lower() or "max-age=1800" in (
        answer.headers["set-cookie"].lower()
    )


async def test_the_socket_of_a_session_that_expires_is_closed(host: Any, visit: Any, settings: Any) -> None:
    hosting: Hosting = await host()
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    browser = seated(hosting, ada.me)
    browser.session.expires = browser.clock() + 0.05
    await ada.open()
    await ada.expect("session_expired")
    assert await ada.closed() == 4401
    assert (await bob.expect("user_left"))["data"]["participant_id"] == ada.me


async def test_an_expired_session_without_a_socket_loses_its_seat_when_swept(host: Any, visit: Any) -> None:
    hosting: Hosting = await host()
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    browser = seated(hosting, ada.me)
    await ada.socket.close(1001)
    browser.session.expires = browser.clock()
    await hosting._sessions.sweep()
    assert (await bob.expect("user_left"))["data"]["participant_id"] == ada.me


async def test_idle_sessions_stay_in_the_store_only(
    sessions: Sessions, store: UnsteadyStore, time: Time
) -> None:
    secret, browser = await sessions.create()
    await sessions.sweep()
    assert list(sessions._clients.values()) == [browser]
    time.now += IDLE_SECONDS
    await sessions.sweep()
    assert (sessions._clients, sessions._records, sessions._handles) == ({}, {}, {})
    found = await sessions.find(secret)
    assert found is not None
    assert found.session.handle == browser.session.handle
    assert found.session.seq > browser.session.seq


async def test_unsaved_sessions_stay_in_memory(sessions: Sessions, store: UnsteadyStore, time: Time) -> None:
    store.broken = True
    secret, browser = await sessions.create()
    time.now += IDLE_SECONDS
    await sessions.sweep()
    assert await sessions.find(secret) is browser


async def test_old_messages_are_dropped(sessions: Sessions, time: Time) -> None:
    _, browser = await sessions.create()
    browser.session.number(write(Pong()), time.now)
    time.now += 61
    await sessions.sweep()
    assert len(browser.session._ring) == 0


# ---------------------------------------------------------------- the store


async def test_a_failing_store_is_logged_once_and_written_later(
    sessions: Sessions, store: UnsteadyStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.broken = True
    with caplog.at_level(logging.WARNING):
        secrets = [(await sessions.create())[0] for _ in range(3)]
        await sessions.sweep()
        await sessions.sweep()
    assert caplog.text.count("The disk is full.") == 1
    assert caplog.text.count("cannot be deleted") == 1
    assert all([not await refuses(sessions, secret) for secret in secrets])
    with pytest.raises(StoreError):
        await sessions.find("unknown")
    store.broken = False
    await sessions.writer.flush()
    assert {record.key for record in store.puts} == {key(secret) for secret in secrets}
    assert "saved again" in caplog.text
    await sessions.aclose()


async def test_clients_are_asked_to_retry_while_the_store_fails(host: Any, visit: Any) -> None:
    store = UnsteadyStore()
    hosting: Hosting = await host(store=store)
    ada = await visit(hosting)
    name = ada.cookie.split("=")[0]
    store.broken = True
    await ada.open(cookie=f"{name}=somebody-of-yesterday")
    assert await ada.closed() == 1013
    async with httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting)) as http:
        stranger = {"Cookie": f"{name}=somebody-of-yesterday"}
        answer = await http.post("api/session", headers=stranger)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store")
        page = await http.get("", headers=stranger)
        assert page.status_code < 500 or not hosting.client_built
        assert "set-cookie" not in page.headers
    await ada.open()
    await ada.join("Ada")  # who is known goes on


# ---------------------------------------------------------------- seats


async def test_seats_are_written_when_taken_changed_and_freed(host: Any, visit: Any) -> None:
    store = UnsteadyStore()
    hosting: Hosting = await host(store=store)
    ada = await visit(hosting, joined="Ida")
    await hosting._sessions.writer.flush()
    (kept,) = await store.seats("demo")
    assert kept.seat == SeatRecord("demo", ada.me, "Ida", role=kept.seat.role, muted=False, camera=False)
    before = len(store.puts)
    for _ in range(5):
        await ada.send("participant_update", {"muted": True, "name": "Ada L."}, lobby="demo")
    await ada.send("raise_hand", {"raised": True}, lobby="demo")
    await ada.settle()
    await hosting._sessions.writer.flush()
    assert len(store.puts) == before + 1
    (kept,) = await store.seats("demo")
    assert kept.seat is not None
    assert (kept.seat.name, kept.seat.muted) == ("Ada L.", True)
    await ada.send("raise_hand", {"raised": False}, lobby="demo")  # nothing of it is kept
    await ada.settle()
    await hosting._sessions.writer.flush()
    assert len(store.puts) == before + 1
    await ada.send("leave_lobby", lobby="demo")
    await ada.settle()
    await hosting._sessions.writer.flush()
    assert await store.seats("demo") == []


async def test_seat_changes_are_written_at_once(sessions: Sessions, store: UnsteadyStore) -> None:
    """A server that is killed right after somebody sat down still knows their seat."""
    _, browser = await sessions.create()
    store._sessions.clear()
    sessions.writer._written.clear()
    for _ in range(3):
        browser.seat_changed()
    before = len(store.puts)
    for _ in range(20):  # turns of the loop, without any time
        await asyncio.sleep(0)
    assert list(store._sessions) == [browser.session.handle]
    assert len(store.puts) == before + 1
    await sessions.aclose()


async def test_nothing_is_written_after_aclose(sessions: Sessions, store: UnsteadyStore) -> None:
    _, browser = await sessions.create()
    await sessions.aclose()
    count = len(store.puts)
    browser.seat = None
    await sessions.writer.flush()
    assert len(store.puts) == count


async def test_a_restored_session_continues_with_larger_numbers(
    sessions: Sessions, store: UnsteadyStore, time: Time
) -> None:
    secret, before = await sessions.create()
    for _ in range(1000):
        before.session.number(write(Pong()), time.now)
    time.now += 1
    later = Sessions(store, time.clock, time.wall)
    record = await store.get_session(key(secret))
    assert record is not None
    browser = later.restore(record)
    assert isinstance(browser, ClientSession)
    assert later.restore(record) is browser
    assert await later.find(secret) is browser
    assert browser.session.handle == before.session.handle
    assert browser.session.expires == before.session.expires
    assert browser.session.seq > before.session.seq
    browser.session.number(write(Pong()), time.now)
    assert browser.session.replay(before.session.seq, time.now) is None


async def test_a_secret_rotated_by_another_server_is_accepted(
    sessions: Sessions, store: UnsteadyStore, time: Time
) -> None:
    first, browser = await sessions.create()
    other = Sessions(store, time.clock, time.wall)
    time.now += ROTATE_SECONDS
    _, second = await other.admit(first)
    assert await sessions.find(second) is browser
    time.now += OVERLAP_SECONDS
    assert await refuses(sessions, first)


async def test_session_established_names_the_kept_seat(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting)
    hello = await ada.expect("session_established")
    assert hello["data"].keys().isdisjoint({"lobby", "participant_id"})
    await ada.open()
    await ada.join("Ada")
    await ada.open()
    data = (await ada.expect("session_established"))["data"]
    assert (data["resumed"], data["lobby"], data["participant_id"]) == (True, "demo", ada.me)


async def test_nobody_notices_a_quick_reload(host: Any, visit: Any) -> None:
    hosting: Hosting = await host(limits=Limits(reconnecting_after=60.0))
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    await bob.settle()
    await ada.socket.close(1001)
    while seated(hosting, ada.me).outbox is not None:
        await bob.settle()
    me = ada.me
    await ada.open()
    await ada.join("Ada")
    assert ada.me == me
    seen = [m["type"] for m in await bob.settle()]
    assert not {"participant_updated", "user_left", "user_joined"} & set(seen)
