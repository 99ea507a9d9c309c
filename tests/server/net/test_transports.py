"""Half-open, dead, stuck and excess connections end, and no others."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.faults import FaultProxy, Kind
from tests.support.waiting import GUARD
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Limits, TokenBucket
from voicebot.server.net.listening import bind, make_server
from voicebot.server.sessions.client_session import ClientSession
from voicebot.signaling.messages import ChatData, ChatMessage

FOREIGN = "203.0.113.7"


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ",
        b"POST /api/lobbies HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-",
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: ",
    ],
    ids=["nothing", "headers", "body", "upgrade", "the second request"],
)
async def test_an_incomplete_request_ends_its_connection(host: Any, visit: Any, head: bytes) -> None:
    hosting = await host(limits=Limits(handshake=0.1))
    ada = await visit(hosting, joined="Ada")
    reader, writer = await asyncio.open_connection("127.0.0.1", hosting.port)
    writer.write(head)
    ended = asyncio.ensure_future(reader.read())
    async with asyncio.timeout(GUARD):
        while not ended.done():
            if head:
                writer.write(b"a")  # a byte now and then does not help
            await asyncio.wait({ended}, timeout=0.01)
    writer.transport.abort()
    await ada.settle()  # an open socket is no request that is late


@pytest.mark.virtual_time(io_grace=0.002)
async def test_an_idle_connection_stays_open_for_longer_than_proxies_keep_it() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    server, listening = make_server(app), bind("127.0.0.1", 0)
    port = listening.getsockname()[1]
    serving = asyncio.create_task(server.run_on(listening))
    await server.listening.wait()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for idle in (60, 120):  # nginx, Caddy
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
        await asyncio.sleep(idle)
        assert not reader.at_eof()
    assert await reader.read() == b""
    server.should_exit = True
    await serving
    writer.close()


async def test_small_messages_are_sent_without_nagle_delay(hosting: Hosting, visit: Any) -> None:
    await visit(hosting, joined="Ada")
    (sock,) = [c.transport.get_extra_info("socket") for c in connections(hosting) if is_socket(c)]
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


@pytest.mark.parametrize("kind", ["blackhole", "deaf", "mute", "stall"])
async def test_a_dead_connection_is_noticed(host: Any, visit: Any, kind: Kind) -> None:
    hosting = await host(limits=Limits(heartbeat=0.05, dead_after=0.15, reconnecting_after=0.0))
    bob = await visit(hosting, joined="Bob")
    ada = await visit(hosting)
    async with Proxied(hosting) as proxy:
        ada.socket = await proxy.connect(ada)
        await ada.join("Ada")
        await ada.settle()
        proxy.proxy.strike(kind)
        lost = await bob.expect("participant_updated", lambda m: m["data"]["participant"]["id"] == ada.me)
        assert lost["data"]["participant"]["presence"] == "reconnecting"
        ada.socket.transport.abort()
    assert len([c for c in connections(hosting) if is_socket(c)]) == 1


async def test_a_stuck_socket_is_dropped_with_its_queue(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(write_deadline=0.05, queue_bytes=10**9, queue_messages=10**6))
    ada = await visit(hosting)
    async with Proxied(hosting) as proxy:
        ada.socket = await proxy.connect(ada)
        await ada.join("Ada")
        await ada.settle()
        (protocol,) = [c for c in connections(hosting) if is_socket(c)]
        proxy.proxy.strike("stall")
        browser = hosting.controller("demo").presence.get(ada.me)
        flood = ChatMessage(lobby="demo", data=ChatData(text="x" * 2000))
        async with asyncio.timeout(GUARD):
            while protocol in connections(hosting):
                if browser.outbox is not None:
                    browser.send(flood)
                await asyncio.sleep(0)
        await no_sockets(browser)
        assert browser.outbox is None
        ada.socket.transport.abort()


async def test_nothing_is_written_to_a_connection_that_is_lost(
    hosting: Hosting, visit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ada = await visit(hosting, joined="Ada")
    browser = hosting.controller("demo").presence.get(ada.me)
    (protocol,) = [c for c in connections(hosting) if is_socket(c)]
    for _ in range(10):
        browser.send(ChatMessage(lobby="demo", data=ChatData(text="hello")))
    protocol.transport.abort()  # the writer is to run before it is told of the loss
    await no_sockets(browser)
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_a_slow_reader_is_closed_with_4408(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(write_deadline=60.0, queue_bytes=4000))
    ada = await visit(hosting)
    async with Proxied(hosting) as proxy:
        ada.socket = await proxy.connect(ada, max_queue=1)
        await ada.join("Ada")
        await ada.settle()
        browser = hosting.controller("demo").presence.get(ada.me)
        for _ in range(100):  # in one go, the writer has no turn in between
            browser.send(ChatMessage(lobby="demo", data=ChatData(text="x" * 1000)))
        assert await ada.closed() == 4408


async def test_a_long_flood_closes_the_socket(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(messages_per_second=50, burst=4, flood=0.2))
    ada = await visit(hosting, joined="Ada")
    closed = asyncio.ensure_future(ada.closed())
    while not closed.done():
        with suppress(ConnectionClosed):
            await ada.send("raise_hand", {"raised": True}, lobby="demo")
        await asyncio.sleep(0)
    assert await closed == 4429
    await ada.open()
    assert (await ada.expect("session_established"))["data"]["participant_id"] == ada.me


def test_the_bucket_distinguishes_a_flood_from_a_burst() -> None:
    bucket = TokenBucket(rate=2.0, burst=2, now=0.0)
    for _ in range(4):
        bucket.take(0.0)
    assert bucket.flooded_for(1.0) == 1.0
    assert bucket.take(1.5) == 0.0
    assert bucket.flooded_for(2.0) == 2.0
    assert bucket.take(9.0) == 0.0
    assert bucket.flooded_for(9.0) == 0.0


async def test_a_new_socket_does_not_refill_the_bucket(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(messages_per_second=0.001, burst=3))
    ada = await visit(hosting, joined="Ada")
    browser = hosting.controller("demo").presence.get(ada.me)
    bucket = browser.bucket
    await ada.open()
    await ada.expect("session_established")
    await ada.send("resume", {"last_seq": ada.last_seq})
    await ada.settle()
    assert browser.bucket is bucket
    assert bucket.take(browser.clock()) > 100


async def test_sockets_per_session_are_limited(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    browser = hosting.controller("demo").presence.get(ada.me)
    browser.sockets += 2  # two that are closing still
    late = await visit(hosting, of=ada)
    assert await late.closed() == 4429
    assert "error" not in [m["type"] for m in await ada.settle()]
    browser.sockets -= 2
    await late.open()
    await late.expect("session_established")
    assert await ada.closed() == 4409
    await late.socket.close()
    await no_sockets(browser)


async def test_sockets_per_address_are_limited(
    host: Any, visit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hosting = await host(limits=Limits(sockets_per_address=2))
    people = [await visit(hosting) for _ in range(4)]  # from this machine: as many as they like
    for person in people:
        await person.settle()
    for person in people[:2]:
        person.socket = await from_address(hosting, person, FOREIGN)
        await person.expect("session_established")
    people[2].socket = await from_address(hosting, people[2], FOREIGN)
    assert await people[2].closed() == 4429
    assert "too many from one address" in caplog.text
    assert FOREIGN not in caplog.text
    people[3].socket = await from_address(hosting, people[3], "203.0.113.8")
    await people[3].expect("session_established")
    await people[0].socket.close()
    async with asyncio.timeout(GUARD):
        while True:  # until the server has seen it close
            people[2].socket = await from_address(hosting, people[2], FOREIGN)
            with suppress(ConnectionClosed):
                await people[2].expect("session_established")
                break


# ---------------------------------------------------------------- help


def connections(hosting: Hosting) -> list[Any]:
    assert hosting._server is not None
    return list(hosting._server.server_state.connections)


async def no_sockets(browser: ClientSession) -> None:
    async with asyncio.timeout(GUARD):
        while browser.sockets:  # noqa: ASYNC110
            await asyncio.sleep(0)


def is_socket(connection: Any) -> bool:
    return type(connection).__name__ == "SocketProtocol"


class Proxied:
    """A server behind a fault proxy, and visitors who connect through it."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self.proxy = FaultProxy(hosting.port)

    async def __aenter__(self) -> Proxied:
        await self.proxy.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.proxy.aclose()

    async def connect(self, visitor: Any, max_queue: int | None = None) -> ClientConnection:
        """Connect a new socket in place of the visitor's."""
        return await dial(self._hosting, visitor, ("127.0.0.1", self.proxy.port), {}, max_queue)


async def from_address(hosting: Hosting, visitor: Any, address: str) -> ClientConnection:
    """The headers of a request that a proxy on this machine forwards."""
    return await dial(hosting, visitor, ("127.0.0.1", hosting.port), {"X-Forwarded-For": address}, None)


async def dial(
    hosting: Hosting, visitor: Any, to: tuple[str, int], headers: dict[str, str], max_queue: int | None
) -> ClientConnection:
    if visitor.socket is not None:
        await visitor.socket.close()
    visitor.received.clear()
    return await connect(
        hosting.url.replace("http", "ws", 1) + "ws",
        host=to[0],
        port=to[1],
        origin=hosting.url.rstrip("/"),  # type: ignore[arg-type]
        additional_headers={"Cookie": visitor.cookie, **headers},
        max_queue=max_queue,
        ping_interval=None,
        proxy=None,
    )
