"""The session cookie: its flags, invalid ones, and rate limits."""

from __future__ import annotations

import asyncio
import hashlib
import time
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest

from tests.server.conftest import own_origin
from voicebot.errors import SignalingError
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Allowance, Limits
from voicebot.server.net.rate_limits import RateLimits, TooFast
from voicebot.server.sessions.sessions import OVERLAP_SECONDS, ROTATE_SECONDS


async def cookie_of(hosting: Hosting, scheme: str) -> tuple[str, Any]:
    origin = own_origin(hosting.url.replace("http:", f"{scheme}:"))
    async with httpx.AsyncClient(base_url=hosting.url, headers=origin) as http:
        answer = await http.post("api/session", headers={"X-Forwarded-Proto": scheme})
    ((name, morsel),) = SimpleCookie(answer.headers["set-cookie"]).items()
    return name, morsel


async def test_the_cookie_has_its_flags(hosting: Hosting) -> None:
    for scheme in ("http", "https"):
        name, morsel = await cookie_of(hosting, scheme)
        assert morsel["httponly"] is True
        assert morsel["samesite"] == "lax"
        assert morsel["path"] == "/"
        assert morsel["domain"] == ""
        assert bool(morsel["secure"]) is (scheme == "https")
        assert name.startswith("__Host-") is (scheme == "https")
        assert len(morsel.value) >= 43  # 256 bits
    secrets = {(await cookie_of(hosting, "http"))[1].value for _ in range(20)}
    assert len(secrets) == 20


async def test_a_tampered_cookie_has_no_session(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    name, secret = ada.cookie.split("=", 1)
    flipped = [secret[:at] + ("A" if secret[at] != "A" else "B") + secret[at + 1 :] for at in (0, 20, 42)]
    handle = (await ada.http.post("api/session")).json()["session"]
    wrong = [
        *flipped,
        secret[:-1],
        secret + "A",
        secret * 50,
        handle,
        "",
        "null",
        "%00",
        "é".encode().decode("latin-1"),
    ]
    async with httpx.AsyncClient(base_url=hosting.url) as http:
        for value in wrong:
            cookie = f"{name}={value}".encode("latin-1")
            answer = await http.get("api/lobbies/demo/agents", headers=[(b"Cookie", cookie)])
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "no_session")
        for plain in (f"__Host-voicebot_session={secret}", f"voicebot_session={secret}"):
            answer = await http.get("api/lobbies/demo/agents", headers={"Cookie": plain})
            assert answer.status_code == 401


async def test_only_the_secret_itself_opens_a_socket(hosting: Hosting, visit: Any) -> None:
    """The handle of a session is public: it is in session_established and in logs."""
    ada, mallory = await visit(hosting, joined="Ada"), await visit(hosting)
    name, secret = ada.cookie.split("=", 1)
    handle = (await ada.http.post("api/session")).json()["session"]
    key = hashlib.sha256(secret.encode()).hexdigest()  # what the store has
    for value in (handle, key, secret[:-1], secret + "A", secret * 50, ""):
        await mallory.open(cookie=f"{name}={value}")
        await mallory.expect("session_invalid")
        assert await mallory.closed() == 4401
    await mallory.open(cookie=f"{name}={handle}; other={secret}")
    await mallory.expect("session_invalid")
    assert hosting.agent_sessions["demo"].lobby.participants[ada.me].presence == "present"
    await ada.settle()  # her socket was not taken over


async def test_the_previous_secret_opens_a_socket_for_a_minute_only(
    hosting: Hosting, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await visit(hosting, joined="Ada")
    now, sessions = time.time(), hosting._sessions
    monkeypatch.setattr(sessions, "_wall", lambda: now)
    old = ada.cookie
    now += ROTATE_SECONDS
    await ada.http.post("api/session")
    assert ada.cookie != old
    await ada.open()  # the new one is used
    await ada.expect("session_established")
    now += OVERLAP_SECONDS - 1
    await ada.open(cookie=old)  # another tab, that was about to connect
    assert (await ada.expect("session_established"))["data"]["participant_id"] == ada.me
    now += 1
    await ada.open(cookie=old)
    await ada.expect("session_invalid")
    assert await ada.closed() == 4401
    await ada.open()
    assert (await ada.expect("session_established"))["data"]["participant_id"] == ada.me


async def test_new_sessions_are_limited_per_address(host: Any) -> None:
    hosting = await host(limits=Limits(sessions_burst=3, sessions_per_second=0.001))
    async with httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting.url)) as http:

        async def ask(address: str) -> httpx.Response:
            http.cookies.clear()
            return await http.post("api/session", headers={"X-Forwarded-For": address})

        assert [(await ask("203.0.113.7")).status_code for _ in range(3)] == [200] * 3
        refused = await ask("203.0.113.7")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_fast")
        assert refused.json()["error"]["retryable"]
        assert int(refused.headers["retry-after"]) > 0
        assert "set-cookie" not in refused.headers
        assert (await ask("203.0.113.8")).status_code == 200
        assert [(await ask(f"2001:db8::{n}")).status_code for n in range(4)] == [200, 200, 200, 429]
        assert (await ask("2001:db8:0:1::1")).status_code == 200


async def test_new_lobbies_are_limited_per_session(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(lobbies_burst=2, lobbies_per_second=0.001))
    ada = await visit(hosting)
    for _ in range(2):
        assert (await ada.http.post("api/lobbies", json={"name": "Tea"})).status_code == 201
    refused = await ada.http.post("api/lobbies", json={"name": "Tea"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_fast")
    await ada.send("create_lobby", {"name": "Tea"})
    assert (await ada.expect("error"))["data"]["code"] == "too_fast"
    bob = await visit(hosting)
    await bob.send("create_lobby", {"name": "Tea"})
    await bob.expect("lobby_created")


def test_a_rate_limit_refills_and_forgets() -> None:
    allowance = Allowance(rate=1.0, burst=2, remembered=3)
    assert [allowance.take("a", 0.0) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert allowance.take("a", 0.5) == pytest.approx(0.5)
    assert allowance.take("a", 1.0) == 0.0
    for other in "bcd":
        allowance.take(other, 1.0)
    assert len(allowance._used) == 3
    floods = RateLimits(Limits(sessions_burst=1, sessions_per_second=0.5), lambda: 0.0)
    floods.session("x")
    with pytest.raises(TooFast) as told:
        floods.session("x")
    assert isinstance(told.value, SignalingError)
    assert told.value.wait == 2


async def test_ids_of_lobbies_cannot_be_guessed(hosting: Hosting) -> None:
    agent_sessions = await asyncio.gather(*(hosting.create_lobby("Tea") for _ in range(60)))
    ids = [agent_session.lobby.id for agent_session in agent_sessions]
    assert len(set(ids)) == len(ids)
    assert all(len(id) == 22 for id in ids)  # 128 bits in base 64
    for place in range(21):  # every place of it differs; the last has two bits only
        assert len({id[place] for id in ids}) > 20
    for id in ids:
        await hosting.close_lobby(id)
