"""People who come, talk, are cut off, reload, make lobbies and agents, and go: for a long time.

Used by a test and, for longer, by the bench. What must not grow is asked of the server between
the rounds, when all have gone: its memory, its sockets and its tasks.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

ROUNDS = 8
"""Fewer cannot be told apart from the server's own warming up."""


@dataclass(frozen=True)
class Sample:
    """The server when nobody was there: `mib` resident, open `files` (sockets among them), asyncio tasks."""

    at: float
    mib: float
    files: int
    tasks: int


@dataclass
class Churned:
    """What happened, by kind, and what the server looked like between the rounds."""

    done: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)

    def growth(self, name: str) -> float:
        """How much more of it there was in the last quarter than in the second (medians)."""
        values = [getattr(sample, name) for sample in self.samples]
        quarter = max(1, len(values) // 4)
        second, last = sorted(values[quarter : 2 * quarter]), sorted(values[-quarter:])
        return float(last[len(last) // 2] - second[len(second) // 2])


class Visitor:
    """One person for one visit: a session of its own, a socket, a seat in a lobby."""

    def __init__(self, http: httpx.AsyncClient, url: str, chance: random.Random, done: Counter[str]) -> None:
        self._http, self._url, self._chance, self._done = http, url, chance, done
        self._cookie = ""
        self._socket: ClientConnection | None = None
        self._seq = 0

    async def visit(self, lobby: str) -> None:
        answer = (await self._http.post("api/session")).raise_for_status()
        self._cookie = answer.headers["set-cookie"].partition(";")[0]
        await self._open()
        if self._chance.random() < 0.2:
            made = await self._ask("create_lobby", {"name": "Churn", "settings": {"private": False}})
            lobby = made["data"]["id"] if made["type"] == "lobby_created" else lobby
        await self._ask("join_lobby", {"name": self._chance.choice(("Ada", "Bob", "Cleo"))}, lobby=lobby)
        for _ in range(self._chance.randrange(2, 8)):
            await self._act(lobby)
        await self._go(lobby)

    async def _act(self, lobby: str) -> None:
        what = self._chance.choice(("chat", "hand", "update", "agent", "cut", "reload", "noise"))
        self._done[what] += 1
        match what:
            case "chat":
                await self._send("chat_message", {"text": "hello " * 20}, lobby=lobby)
            case "hand":
                await self._send("raise_hand", {"raised": True}, lobby=lobby)
            case "update":
                await self._send("participant_update", {"muted": self._chance.random() < 0.5}, lobby=lobby)
            case "agent":
                made = await self._ask("agent_create", {"description": "A quiet clerk"}, lobby=lobby)
                if made["type"] == "agent_created":
                    id = made["data"]["participant"]["id"]
                    await self._send("agent_remove", {"participant_id": id}, lobby=lobby)
            case "cut":
                assert self._socket is not None
                self._socket.transport.abort()
                await self._open()
                await self._send("resume", {"last_seq": self._seq})
            case "reload":
                assert self._socket is not None
                await self._socket.close(1001)
                await self._open()
                await self._ask("join_lobby", {"name": "Ada"}, lobby=lobby)
            case "noise":
                assert self._socket is not None
                await self._socket.send('{"type": "no such thing"')
        await self._ask("ping", {})

    async def _go(self, lobby: str) -> None:
        assert self._socket is not None
        how = self._chance.choice(("leave", "abort", "close"))
        self._done[how] += 1
        if how == "leave":
            await self._send("leave_lobby", lobby=lobby)
            await self._ask("ping", {})
        if how == "abort":
            self._socket.transport.abort()
        else:
            await self._socket.close()

    async def _open(self) -> None:
        self._socket = await connect(
            self._url.replace("http", "ws", 1) + "ws",
            additional_headers={"Cookie": self._cookie},
            origin=self._url.rstrip("/"),  # type: ignore[arg-type]
            compression=None,
            ping_interval=None,
        )
        await self._until(lambda message: message["type"] == "session_established")

    async def _send(self, type: str, data: Any = None, **envelope: Any) -> str:
        assert self._socket is not None
        id = uuid.uuid4().hex
        await self._socket.send(json.dumps({"type": type, "id": id, "data": data or {}, **envelope}))
        return id

    async def _ask(self, type: str, data: Any = None, **envelope: Any) -> dict[str, Any]:
        id = await self._send(type, data, **envelope)
        return await self._until(lambda message: message.get("id") == id)

    async def _until(self, found: Any) -> dict[str, Any]:
        assert self._socket is not None
        async with asyncio.timeout(30):
            while True:
                message: dict[str, Any] = json.loads(await self._socket.recv())
                self._seq = max(self._seq, message.get("seq", 0))
                if found(message):
                    return message


async def churn(url: str, seconds: float, *, people: int = 20, lobbies: int = 4, seed: int = 1) -> Churned:
    """Rounds of visits by `people` at a time to lobbies bench-0 ..., for so long (and at least ROUNDS)."""
    chance, churned = random.Random(seed), Churned()
    nobody = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    origin = {"Origin": url.rstrip("/")}
    once = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=url, headers=origin, cookies=nobody, timeout=60, limits=once
    ) as http:
        empty = await _state(http)
        begun = time.monotonic()
        while (now := time.monotonic() - begun) < seconds or len(churned.samples) < ROUNDS:
            visits = [
                Visitor(http, url, random.Random(chance.random()), churned.done).visit(
                    f"bench-{number % lobbies}"
                )
                for number in range(people)
            ]
            for result in await asyncio.gather(*visits, return_exceptions=True):
                if isinstance(result, BaseException):
                    if not isinstance(result, WebSocketException):
                        raise result
                    churned.done[f"closed: {result}"] += 1
            churned.samples.append(await _settled(http, now, empty))
    return churned


async def _settled(http: httpx.AsyncClient, at: float, empty: dict[str, Any]) -> Sample:
    """The state once everyone of the round has gone, and with them the lobbies they made.

    Raises TimeoutError when something of them stays.
    """
    state = empty | {"people": -1}
    try:
        async with asyncio.timeout(60):
            while any(
                state[name] > empty[name] or state[name] < 0
                for name in ("people", "lobbies", "files", "tasks")
            ):
                await asyncio.sleep(0.05)
                state = await _state(http)
    except TimeoutError:
        raise TimeoutError(f"After a minute there still is {state}; it was {empty} before.") from None
    return Sample(at, **{name: state[name] for name in ("mib", "files", "tasks")})


async def _state(http: httpx.AsyncClient) -> dict[str, Any]:
    answer: dict[str, Any] = (await http.get("bench/state")).raise_for_status().json()
    return answer
