"""A browser's side of the wire, by the rules of client/src/signaling: what it sends arrives once."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

BACKOFF: Sequence[float] = (0.0, 0.3, 0.9, 1.0, 1.0, 2.0, 3.0, 5.0, 7.0)
FINAL = {4401, 4403, 4409}
NEVER_AGAIN = {"ping", "resume"}


class WireClient:
    """Connects, joins a lobby, resumes after each cut, and repeats what may not have arrived.

    `url` is that of the WebSocket; `address` is the (host, port) really connected to, such as a proxy's.
    """

    def __init__(
        self,
        url: str,
        *,
        origin: str,
        cookie: str,
        lobby: str,
        name: str,
        address: tuple[str, int] | None = None,
        ping_every: float = 10.0,
        on_message: Callable[[dict[str, Any]], None] = lambda message: None,
    ) -> None:
        self._url, self._origin, self._cookie, self._address = url, origin, cookie, address
        self._lobby, self._name, self._ping_every = lobby, name, ping_every
        self._on_message = on_message
        self._outbox: list[dict[str, Any]] = []
        self._pings: dict[str, int] = {}
        self._last_seq = 0
        self._lost_at: float | None = None
        self._waiting: asyncio.Queue[dict[str, Any]] | None = None
        self._task: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None
        self._resume_ping = ""
        self._changed = asyncio.Event()
        self.connects = 0
        self.me = ""
        self.resumes: list[float] = []
        """Seconds from each loss of a socket until everything missed was there."""
        self.fresh_starts = 0
        """How often the seat was gone, or never there."""
        self.close_code: int | None = None
        """Why connecting again was given up."""

    async def start(self) -> None:
        """Returns when it is in the lobby."""
        self._task = asyncio.create_task(self._run(), name=f"wire client {self._name}")
        await self.settled()

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def settled(self, connects: int = 1) -> None:
        """Wait until it has connected so often, and got all that was missed before."""
        while self.connects < connects or self._lost_at is not None:
            self._changed.clear()
            await self._changed.wait()

    def send(self, type: str, data: dict[str, Any]) -> None:
        """Send now, or as soon as there is a connection."""
        message = {"v": 1, "type": type, "id": uuid.uuid4().hex, "lobby": self._lobby, "data": data}
        self._outbox.append(message)
        if self._waiting is not None:
            self._waiting.put_nowait(message)

    def drop(self) -> None:
        """Take the present socket for dead, as after a change of network, and connect anew."""
        if self._socket is not None:
            self._lost()
            self._socket.transport.abort()

    async def _run(self) -> None:
        attempt = 0
        while True:
            await asyncio.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
            attempt += 1
            host, port = self._address or (None, None)
            try:
                async with asyncio.timeout(25):
                    socket = await connect(
                        self._url,
                        host=host,
                        port=port,
                        origin=self._origin,  # type: ignore[arg-type]
                        additional_headers={"Cookie": self._cookie},
                        ping_interval=None,
                        close_timeout=0.01,
                        compression=None,
                        proxy=None,
                    )
            except (OSError, WebSocketException, TimeoutError):
                continue
            try:
                if await self._serve(socket):
                    attempt = 0
            finally:
                socket.transport.abort()
            if socket.close_code in FINAL:
                self.close_code = socket.close_code
                return

    async def _serve(self, socket: ClientConnection) -> bool:
        """Until the socket is lost; whether the server had accepted it."""
        self._socket, self._pings, waiting = socket, {}, asyncio.Queue[dict[str, Any]]()
        writer = asyncio.create_task(self._write(socket, waiting), name=f"writer of {self._name}")
        established = False
        try:
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "session_established":
                    established, self._waiting = True, waiting
                    self._establish(message["data"]["resumed"])
                else:
                    self._receive(message)
        except WebSocketException:
            pass
        finally:
            self._socket = self._waiting = None
            self._lost()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return established

    async def _write(self, socket: ClientConnection, waiting: asyncio.Queue[dict[str, Any]]) -> None:
        while True:
            try:
                async with asyncio.timeout(self._ping_every):
                    message = await waiting.get()
            except TimeoutError:
                self._ping()
                continue
            await socket.send(json.dumps(message | {"ack": self._last_seq}))

    def _establish(self, resumed: bool) -> None:
        assert self._waiting is not None
        if resumed and self._last_seq:
            self._waiting.put_nowait({"type": "resume", "data": {"last_seq": self._last_seq}})
        elif not resumed:
            self.fresh_starts += 1
            self._last_seq = 0
            join = {"name": self._name}
            self._waiting.put_nowait(
                {"type": "join_lobby", "id": uuid.uuid4().hex, "lobby": self._lobby, "data": join}
            )
        for message in self._outbox:
            self._waiting.put_nowait(message)
        self._resume_ping = self._ping()

    def _ping(self) -> str:
        id = uuid.uuid4().hex
        if self._waiting is not None:
            self._pings[id] = len(self._outbox)
            self._waiting.put_nowait({"type": "ping", "id": id, "data": {}})
        return id

    def _receive(self, message: dict[str, Any]) -> None:
        seq = message.get("seq")
        if seq is not None:
            if seq <= self._last_seq:
                return
            self._last_seq = seq
        if message["type"] == "pong":
            confirmed = self._pings.pop(message["id"], 0)
            del self._outbox[:confirmed]
            self._pings = {id: max(0, count - confirmed) for id, count in self._pings.items()}
            if message["id"] == self._resume_ping:
                self._back()
        if message["type"] == "lobby_joined":
            self.me = message["data"]["participant_id"]
        self._on_message(message)

    def _lost(self) -> None:
        if self._lost_at is None:
            self._lost_at = time.monotonic()

    def _back(self) -> None:
        if self._lost_at is not None:
            self.resumes.append(time.monotonic() - self._lost_at)
        self._lost_at = None
        self.connects += 1
        self._changed.set()
