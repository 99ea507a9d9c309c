"""Load for a signaling server, from a process of its own: idle sockets, relayed messages, joins.

Each kind of server has an adapter that opens sockets and pairs two of them; what is measured is
the same for all. `python -m tests.bench.processes.sockets KIND URL PID ...` prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import httpx
import psutil
from websockets.asyncio.client import ClientConnection, connect

AT_ONCE = 50
"""Sockets that are being opened at the same time."""
PAYLOAD = "a=" + "x" * 254
"""As long as an ICE candidate or the smallest description."""


@dataclass(frozen=True)
class Pair:
    """Two sockets; `text(when)` is what the first sends so that the second gets `when` back."""

    sender: ClientConnection
    receiver: ClientConnection
    text: Callable[[float], str]


class Adapter(Protocol):
    """How to speak to one kind of server. `stamp` finds the time in a relayed message."""

    async def open(self) -> ClientConnection: ...
    async def pair(self, number: int) -> Pair: ...
    def stamp(self, text: str | bytes) -> float | None: ...


def socket(url: str, **options: Any) -> connect:
    return connect(url, compression=None, ping_interval=None, max_queue=None, open_timeout=60, **options)


class Voicebot:
    """Our server: every socket has a session, both of a pair sit in one lobby."""

    def __init__(self, url: str) -> None:
        self._url = url
        nobody = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # each socket has a session of its own
        origin = {"Origin": url.rstrip("/")}
        self._http = httpx.AsyncClient(base_url=url, headers=origin, cookies=nobody, timeout=60)
        self._ids = itertools.count(1)
        self._passed: WeakKeyDictionary[ClientConnection, dict[str, list[dict[str, Any]]]] = (
            WeakKeyDictionary()
        )

    async def open(self) -> ClientConnection:
        answer = (await self._http.post("api/session")).raise_for_status()
        cookie = answer.headers["set-cookie"].partition(";")[0]
        opened = await socket(
            self._url.replace("http", "ws", 1) + "ws",
            additional_headers={"Cookie": cookie},
            origin=self._url.rstrip("/"),
        )
        await self.until(opened, "session_established")
        return opened

    async def pair(self, number: int) -> Pair:
        lobby = f"bench-{number}"
        sender, receiver = await self.open(), await self.open()
        for one in (sender, receiver):
            await self.join(one, lobby)
        starts = [await self.until(one, "start_webrtc_negotiation") for one in (sender, receiver)]
        for one, start in zip((sender, receiver), starts, strict=True):
            await one.send(self._frame("connection_ready", peer=start["peer"], epoch=start["epoch"]))
        for one in (sender, receiver):
            await self.until(one, "connection_ready")
        to, epoch = starts[0]["peer"], starts[0]["epoch"]

        def text(when: float) -> str:
            data = {"sdp": f"{when:.9f} {PAYLOAD}", "tracks": {}}
            return self._frame("webrtc_offer", peer=to, epoch=epoch, data=data)

        return Pair(sender, receiver, text)

    def stamp(self, text: str | bytes) -> float | None:
        message = json.loads(text)
        return float(message["data"]["sdp"].split()[0]) if message["type"] == "webrtc_offer" else None

    async def join(self, opened: ClientConnection, lobby: str) -> None:
        self._passed.pop(opened, None)
        await opened.send(self._frame("join_lobby", lobby=lobby, data={"name": "Visitor"}))
        await self.until(opened, "lobby_state")

    async def leave(self, opened: ClientConnection, lobby: str) -> None:
        await opened.send(self._frame("leave_lobby", lobby=lobby))
        await opened.send(self._frame("ping"))
        await self.until(opened, "pong")

    async def until(self, opened: ClientConnection, type: str) -> dict[str, Any]:
        """The next message of this type; those before it stay to be asked for."""
        passed = self._passed.setdefault(opened, {})
        if passed.get(type):
            return passed[type].pop(0)
        async with asyncio.timeout(60):
            while True:
                message: dict[str, Any] = json.loads(await opened.recv())
                if message["type"] == type:
                    return message
                passed.setdefault(message["type"], []).append(message)
                if message["type"] == "error":
                    raise RuntimeError(f"instead of {type}: {message['data']}")

    def _frame(self, type: str, data: Any = None, **envelope: Any) -> str:
        return json.dumps({"v": 1, "type": type, "id": f"m{next(self._ids)}", "data": data or {}, **envelope})


class Echo:
    """The floor: a FastAPI server that hands each text on to the socket it names."""

    def __init__(self, url: str) -> None:
        self._url = url.replace("http", "ws", 1)
        self._ids = itertools.count(1)

    async def open(self) -> ClientConnection:
        return await socket(f"{self._url}ws/{next(self._ids)}")

    async def pair(self, number: int) -> Pair:
        sender, receiver = await self.open(), await self.open()
        assert receiver.request is not None
        to = receiver.request.path.rsplit("/", 1)[1]
        return Pair(sender, receiver, lambda when: json.dumps({"to": to, "t": when, "sdp": PAYLOAD}))

    def stamp(self, text: str | bytes) -> float | None:
        return float(json.loads(text)["t"])


class PeerJS:
    """The npm package `peer`, the server of PeerJS."""

    def __init__(self, url: str) -> None:
        self._url = url.replace("http", "ws", 1)
        self._ids = itertools.count(1)

    async def open(self) -> ClientConnection:
        return await self._open(f"peer{next(self._ids)}")

    async def _open(self, id: str) -> ClientConnection:
        opened = await socket(f"{self._url}peerjs?key=peerjs&id={id}&token=t{id}")
        assert json.loads(await opened.recv())["type"] == "OPEN"
        return opened

    async def pair(self, number: int) -> Pair:
        to = f"to{number}"
        sender, receiver = await self._open(f"from{number}"), await self._open(to)

        def text(when: float) -> str:
            payload = {"sdp": {"type": "offer", "sdp": f"{when:.9f} {PAYLOAD}"}}
            return json.dumps({"type": "OFFER", "dst": to, "payload": payload})

        return Pair(sender, receiver, text)

    def stamp(self, text: str | bytes) -> float | None:
        message = json.loads(text)
        return float(message["payload"]["sdp"]["sdp"].split()[0]) if message["type"] == "OFFER" else None


ADAPTERS: dict[str, Callable[[str], Adapter]] = {"voicebot": Voicebot, "echo": Echo, "peerjs": PeerJS}


@contextlib.asynccontextmanager
async def opened(count: int, one: Callable[[int], Any]) -> AsyncIterator[list[Any]]:
    """`count` of what `one(number)` opens, a few at a time, aborted in the end."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def limited(number: int) -> Any:
        async with gate:
            return await one(number)

    made = await asyncio.gather(*(limited(number) for number in range(count)))
    try:
        yield made
    finally:
        for item in made:
            for sock in (item.sender, item.receiver) if isinstance(item, Pair) else (item,):
                sock.transport.abort()


async def idle(adapter: Adapter, server: psutil.Process, count: int) -> dict[str, Any]:
    """Memory of each of `count` sockets on which nothing happens, KiB."""
    async with opened(20, lambda number: adapter.open()):
        pass  # what a server makes once is not the sockets'
    before = server.memory_info().rss
    async with opened(count, lambda number: adapter.open()):
        after = server.memory_info().rss
    return {"kib": (after - before) / 1024 / count}


async def relay(
    adapter: Adapter, server: psutil.Process, pairs: int, rate: float, seconds: float
) -> dict[str, Any]:
    """`rate` messages a second through `pairs` pairs; latencies from the moment each was due, ms."""
    latencies: list[float] = []

    async def read(pair: Pair) -> None:
        async for text in pair.receiver:
            when = adapter.stamp(text)
            if when is not None:
                latencies.append((time.perf_counter() - when) * 1000)

    async def discard(pair: Pair) -> None:
        async for _ in pair.sender:
            pass

    async with (
        opened(4, lambda number: adapter.open()) as comers,
        opened(pairs, adapter.pair) as made,
        asyncio.TaskGroup() as group,
    ):
        readers = [group.create_task(side(pair)) for pair in made for side in (read, discard)]
        joins = group.create_task(_joins(adapter, comers, seconds))
        gc.collect()
        gc.freeze()  # this process's own pauses are not the server's
        cpu, begun = sum(server.cpu_times()[:2]), time.perf_counter()
        total = int(rate * seconds)
        for number in range(total):
            due = begun + number / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            pair = made[number % pairs]
            await pair.sender.send(pair.text(due))
        took = time.perf_counter() - begun
        used = (sum(server.cpu_times()[:2]) - cpu) / took
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                while len(latencies) < total:
                    await asyncio.sleep(0.01)
        joined = await joins
        for reader in readers:
            reader.cancel()
    return {"latencies": latencies, "sent": total, "rate": total / took, "cpu": used, "joins": joined}


async def _joins(adapter: Adapter, there: list[ClientConnection], seconds: float) -> list[float]:
    """While messages pass: someone comes into a lobby of three and goes again, ten times a second."""
    if not isinstance(adapter, Voicebot):
        return []
    for other in there[1:]:
        await adapter.join(other, "bench-joins")
    took: list[float] = []
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        await adapter.join(there[0], "bench-joins")
        took.append((time.perf_counter() - begun) * 1000)
        await adapter.leave(there[0], "bench-joins")
        await asyncio.sleep(max(0.0, begun + 0.1 - time.perf_counter()))
    return took


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=ADAPTERS)
    parser.add_argument("url")
    parser.add_argument("pid", type=int)
    parser.add_argument("--idle", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--rate", type=float, default=2000)
    parser.add_argument("--seconds", type=float, default=15)
    a = parser.parse_args()
    adapter, server = ADAPTERS[a.kind](a.url), psutil.Process(a.pid)
    found: dict[str, Any] = {}
    if a.idle:  # first, for what is freed in between is used again
        found["idle"] = await idle(adapter, server, a.idle)
    if a.pairs:
        found["relay"] = await relay(adapter, server, a.pairs, a.rate, a.seconds)
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
