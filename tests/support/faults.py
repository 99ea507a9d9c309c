"""A TCP proxy that does to connections what networks do to them, at a chosen byte and repeatably."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from dataclasses import dataclass, field
from typing import Literal, Self

from voicebot.tasks import cancel

Kind = Literal["rst", "fin", "blackhole", "deaf", "mute", "stall"]
"""What happens to a connection.

`rst` and `fin` end it on both sides, without a word of the protocol above. The others leave it open:
`blackhole` swallows both directions, `deaf` what the client sends, `mute` what the server sends;
`stall` reads nothing any more, so that what is sent piles up on the sender's side.
"""
Direction = Literal["up", "down"]
ENDINGS: tuple[Kind, ...] = ("rst", "fin")
SILENCES: tuple[Kind, ...] = ("blackhole", "deaf", "mute", "stall")


@dataclass
class Fault:
    """What is to happen to the newest connection once `after` more bytes went in `direction`."""

    kind: Kind
    direction: Direction
    after: int
    happened: asyncio.Event = field(default_factory=asyncio.Event)


class _Link:
    """One client's connection and the one to the server that was made for it."""

    def __init__(self, proxy: FaultProxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.proxy, self.writers = proxy, {"up": server, "down": client}
        self.fault: Fault | None = None
        self.swallowing: set[Direction] = set()
        self.stalled = asyncio.Event()

    def end(self, kind: Kind) -> None:
        for writer in self.writers.values():
            if kind == "rst":
                sock = writer.get_extra_info("socket")
                if sock is not None and sock.fileno() >= 0:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()

    def strike(self, fault: Fault) -> None:
        match fault.kind:
            case "rst" | "fin":
                self.end(fault.kind)
            case "blackhole":
                self.swallowing = {"up", "down"}
            case "deaf":
                self.swallowing = {"up"}
            case "mute":
                self.swallowing = {"down"}
            case "stall":
                self.stalled.set()
                for writer in self.writers.values():
                    writer.transport.pause_reading()  # type: ignore[attr-defined]
        self.fault = None
        fault.happened.set()

    async def pump(self, direction: Direction, reader: asyncio.StreamReader) -> None:
        writer = self.writers[direction]
        try:
            while chunk := await reader.read(65536):
                if self.stalled.is_set():
                    await asyncio.Event().wait()
                if direction in self.swallowing:
                    continue
                if self.proxy.delay:
                    await asyncio.sleep(self.proxy.delay)
                fault = self.fault
                if fault is not None and fault.direction == direction:
                    if len(chunk) >= fault.after:
                        writer.write(chunk[: fault.after])
                        await writer.drain()
                        self.strike(fault)
                        continue
                    fault.after -= len(chunk)
                writer.write(chunk)
                await writer.drain()
            if direction not in self.swallowing:
                writer.close()
        except OSError:
            self.writers["down" if direction == "up" else "up"].close()


class FaultProxy:
    """Forwards `port` of this machine to a server; `await start()` first, `await aclose()` last.

    `delay` is waited for before each chunk is handed on, in seconds. `seed` makes `random_fault` repeatable.
    """

    def __init__(self, port: int, *, host: str = "127.0.0.1", seed: int = 0, delay: float = 0.0) -> None:
        self._target = (host, port)
        self.delay = delay
        self.refusing = False
        """New connections are ended at once."""
        self._random = random.Random(seed)
        self._links: list[_Link] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def links(self) -> int:
        """How many connections are open, silent ones among them."""
        return len(self._links)

    async def start(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def aclose(self) -> None:
        assert self._server is not None
        self._server.close()
        self.end_all()
        await cancel(self._tasks)

    def end_all(self, kind: Kind = "rst") -> None:
        """End every connection now, also silent ones."""
        for link in self._links:
            link.end(kind)

    def silence_all(self) -> None:
        """Swallow from now on what goes over any connection, in both directions."""
        for link in self._links:
            link.swallowing = {"up", "down"}

    def plan(self, kind: Kind, after: int = 1, direction: Direction = "down") -> Fault:
        """Let it happen to the newest connection, `after` bytes from now; `happened` tells when it has."""
        fault = Fault(kind, direction, max(1, after))
        self._links[-1].fault = fault
        return fault

    def strike(self, kind: Kind) -> None:
        """Let it happen to the newest connection now."""
        link = self._links[-1]
        link.strike(Fault(kind, "down", 0))

    def random_fault(self, within: int = 2000) -> Fault:
        """One of all kinds, in either direction, at any of the next `within` bytes."""
        kind = self._random.choice((*ENDINGS, *ENDINGS, *SILENCES))
        direction: Direction = self._random.choice(("up", "down"))
        return self.plan(kind, self._random.randint(1, within), direction)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.refusing:
            writer.transport.abort()
            return
        try:
            upstream_reader, upstream = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, writer, upstream)
        self._links.append(link)
        try:
            await asyncio.gather(link.pump("up", reader), link.pump("down", upstream_reader))
        except asyncio.CancelledError:
            pass  # the proxy ends; asyncio's streams would report a cancelled task as an error
        finally:
            self._links.remove(link)
            for each in (writer, upstream):
                each.transport.abort()
