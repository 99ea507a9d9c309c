"""Messages between the servers that share a store. Each reads one stream, named after it.

Every few seconds, a server sends its open channels to every server that it has channels to. If a server
is silent, or one of its entries is missing, all channels to it are lost. A restarted server numbers its
entries from zero, so the others notice.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from voicebot.errors import StoreError
from voicebot.server.cluster.channels import Channel, ChannelLost, Neighbour
from voicebot.server.lobby import persistence
from voicebot.server.net.close_codes import CloseCode
from voicebot.store.shared import SharedStore
from voicebot.tasks import cancel

logger = logging.getLogger(__name__)

READ_SECONDS = 1.0
STOP_SECONDS = 2.0
"""How long forwarded connections may take to end when this server stops."""
Serve = Callable[[Channel, dict[str, Any]], Coroutine[Any, Any, None]]


class Nodes:
    """The channels of this server to all other servers."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store
        self._others: dict[str, Neighbour] = {}
        self._ids = (f"{secrets.token_hex(6)}-{n}" for n in itertools.count(1))
        self._tasks: list[asyncio.Task[None]] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._last_read = 0.0
        """When the stream was last read. Others are not silent while this server does not read."""

    @property
    def forwarded(self) -> int:
        """Number of channels that this server opened."""
        return sum(len(other.opened) for other in self._others.values())

    async def start(self, serve: Serve) -> None:
        """Start reading, after dropping what an earlier server of this name left. Raises StoreError.

        `serve(channel, opening)` serves what other servers forward.
        """
        self._serve = serve
        await self._store.drop(_stream(self._store.owner))
        loop = asyncio.get_running_loop()
        self._last_read = loop.time()
        self._tasks = [
            loop.create_task(self._read(), name="read from other servers"),
            loop.create_task(self._heartbeat(), name="heartbeat to other servers"),
        ]

    async def aclose(self) -> None:
        """Close all channels with 1012, at both ends. Safe to call twice."""
        await cancel(self._tasks)
        self._tasks = []
        for other in self._others.values():
            for channel in list(other.channels.values()):
                other.post(channel.id, "lost", CloseCode.SERVICE_RESTART)
            other.lose(CloseCode.SERVICE_RESTART)
        if self._serving:
            await asyncio.wait(self._serving, timeout=STOP_SECONDS)
        await cancel(self._serving)
        await asyncio.gather(*(other.aclose() for other in self._others.values()))
        self._others.clear()

    async def holder(self, lobby_id: str) -> str | None:
        """Return the name of the other server that has this lobby, or None. Raises StoreError."""
        lease = await self._store.holder(lobby_id)
        return None if lease is None or lease.owner == self._store.owner else lease.owner

    def channel(self, name: str) -> Channel:
        """Open a channel to that server. The caller must first send `open` on it."""
        other = self._other(name)
        if not other.channels:  # until now it had no reason to write
            other.last_heard = asyncio.get_running_loop().time()
        return other.open(next(self._ids))

    def _other(self, name: str) -> Neighbour:
        other = self._others.get(name)
        if other is None:
            now = asyncio.get_running_loop().time()
            other = Neighbour(self._store.owner, lambda data: self._store.append(_stream(name), data), now)
            self._others[name] = other
        return other

    async def _read(self) -> None:
        stream, after, loop = _stream(self._store.owner), "", asyncio.get_running_loop()
        while True:
            try:
                entries = await self._store.read(stream, after, wait=READ_SECONDS)
                self._last_read = loop.time()
                for id, data in entries:
                    after = id
                    self._receive(data)
                if entries:  # nobody needs them any more, and they hold what people said
                    await self._store.trim(stream, after)
            except Exception as error:
                if isinstance(error, StoreError):
                    logger.debug("Reading from other servers failed: %s", error)
                else:
                    logger.exception("Reading from other servers failed")
                await asyncio.sleep(persistence.RETRY)

    def _receive(self, data: bytes) -> None:
        try:
            entry = json.loads(data)
            other, number, items = self._other(entry["from"]), int(entry["number"]), entry["words"]
            if not other.follows(number) and other.channels:
                logger.warning("Server %s was restarted, or a message from it is missing.", entry["from"])
                other.lose(CloseCode.SERVICE_RESTART)
            other.last_heard = self._last_read
            for id, kind, content in items:
                self._receive_item(other, id, kind, content)
        except (ValueError, KeyError, TypeError):
            logger.warning("A message from another server is malformed. Run the same version on all servers.")

    def _receive_item(self, other: Neighbour, id: str, kind: str, content: Any) -> None:
        if kind == "alive":
            for unknown in other.compare(content):
                other.post(unknown, "lost", CloseCode.SERVICE_RESTART)
        elif kind == "open":
            task = asyncio.get_running_loop().create_task(
                self._answer(other.answer(id), content), name=f"channel {id}"
            )
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        elif (channel := other.channels.get(id)) is None:
            return
        elif kind == "lost":
            channel.lose(int(content))
        else:
            channel.deliver(kind, content)

    async def _answer(self, channel: Channel, opening: dict[str, Any]) -> None:
        try:
            await self._serve(channel, opening)
        except ChannelLost:
            pass
        except Exception:
            logger.exception("Serving a forwarded connection failed")
            channel.abort()
        finally:
            channel.close()

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(persistence.RENEW)
            for other in self._others.values():
                if self._last_read - other.last_heard > persistence.LEASE:
                    other.lose(CloseCode.SERVICE_RESTART)
                if other.channels:
                    other.post("", "alive", sorted(other.opened))


def _stream(name: str) -> str:
    return f"node:{name}"
