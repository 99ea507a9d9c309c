"""This server among those that share its store: each reads one stream, which has its name, and what the
others say to it is there.

Every few seconds each says to those it has lines to that it is alive, and which lines. After silence, or
when something is missing, all lines to that server are lost. One that was started again counts from
zero, so that to the others something is missing.
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
from voicebot.server.cluster.channels import Channel, ChannelLost
from voicebot.server.cluster.neighbour import Neighbour
from voicebot.server.lobby import persistence
from voicebot.server.net.close_codes import CloseCode
from voicebot.store.shared import SharedStore

logger = logging.getLogger(__name__)

READ_SECONDS = 1.0
FAREWELL_SECONDS = 2.0
"""How long what others forwarded may take to end when this server stops."""
Serve = Callable[[Channel, dict[str, Any]], Coroutine[Any, Any, None]]


class Nodes:
    """Lines to other servers, and from them: `serve(channel, opening)` is given what they forward."""

    def __init__(self, store: SharedStore, serve: Serve) -> None:
        self._store, self._serve = store, serve
        self._others: dict[str, Neighbour] = {}
        self._ids = (f"{secrets.token_hex(6)}-{n}" for n in itertools.count(1))
        self._tasks: list[asyncio.Task[None]] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._listened_at = 0.0
        """When the stream was last read: what was not listened to is no silence."""

    @property
    def forwarded(self) -> int:
        """How many lines were opened from here."""
        return sum(len(other.opened) for other in self._others.values())

    async def start(self) -> None:
        """Hear the others. What was said to a server of this name before is forgotten. Raises StoreError."""
        await self._store.drop(_stream(self._store.owner))
        loop = asyncio.get_running_loop()
        self._listened_at = loop.time()
        self._tasks = [
            loop.create_task(self._listen(), name="hear other servers"),
            loop.create_task(self._beat(), name="beat for other servers"),
        ]

    async def aclose(self) -> None:
        """End what is forwarded, here and there, with 1012. Safe to call twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for other in self._others.values():
            for channel in list(other.channels.values()):
                other.post(channel.id, "lost", CloseCode.SERVICE_RESTART)
            other.lose(CloseCode.SERVICE_RESTART)
        if self._serving:
            await asyncio.wait(self._serving, timeout=FAREWELL_SECONDS)
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await asyncio.gather(*(other.aclose() for other in self._others.values()))
        self._others.clear()

    async def holder(self, lobby_id: str) -> str | None:
        """The name of the other server that serves this lobby; None when no other does. Raises StoreError."""
        lease = await self._store.holder(lobby_id)
        return None if lease is None or lease.owner == self._store.owner else lease.owner

    def channel(self, name: str) -> Channel:
        """A new channel to that server; what is said first on it must be `open`."""
        other = self._other(name)
        if not other.channels:  # it had nothing to say
            other.heard_at = asyncio.get_running_loop().time()
        return other.open(next(self._ids))

    def _other(self, name: str) -> Neighbour:
        other = self._others.get(name)
        if other is None:
            now = asyncio.get_running_loop().time()
            other = Neighbour(self._store.owner, lambda data: self._store.append(_stream(name), data), now)
            self._others[name] = other
        return other

    # ------------------------------------------------------------ hearing

    async def _listen(self) -> None:
        stream, after, loop = _stream(self._store.owner), "", asyncio.get_running_loop()
        while True:
            try:
                entries = await self._store.read(stream, after, wait=READ_SECONDS)
                self._listened_at = loop.time()
                for id, data in entries:
                    after = id
                    self._hear(data)
                if entries:  # what was said is nobody's business any more
                    await self._store.trim(stream, after)
            except Exception as error:
                if isinstance(error, StoreError):
                    logger.debug("Other servers cannot be heard: %s", error)
                else:
                    logger.exception("What other servers said cannot be heard")
                await asyncio.sleep(persistence.RETRY)

    def _hear(self, data: bytes) -> None:
        try:
            entry = json.loads(data)
            other, number, words = self._other(entry["from"]), int(entry["number"]), entry["words"]
            if not other.follows(number) and other.channels:
                logger.warning("Something that server %s said is missing, or it began anew.", entry["from"])
                other.lose(CloseCode.SERVICE_RESTART)
            other.heard_at = self._listened_at
            for id, kind, what in words:
                self._heard(other, id, kind, what)
        except (ValueError, KeyError, TypeError):
            logger.warning("What another server said is not understood: is it of the same version?")

    def _heard(self, other: Neighbour, id: str, kind: str, what: Any) -> None:
        if kind == "alive":
            for unknown in other.compare(what):
                other.post(unknown, "lost", CloseCode.SERVICE_RESTART)
        elif kind == "open":
            task = asyncio.get_running_loop().create_task(
                self._answer(other.answer(id), what), name=f"channel {id}"
            )
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        elif (channel := other.channels.get(id)) is None:
            return
        elif kind == "lost":
            channel.lose(int(what))
        else:
            channel.deliver(kind, what)

    async def _answer(self, channel: Channel, opening: dict[str, Any]) -> None:
        try:
            await self._serve(channel, opening)
        except ChannelLost:
            pass
        except Exception:
            logger.exception("Something that another server forwarded failed")
            channel.abort()
        finally:
            channel.close()

    # ------------------------------------------------------------ being alive

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(persistence.RENEW)
            for other in self._others.values():
                if self._listened_at - other.heard_at > persistence.LEASE:
                    other.lose(CloseCode.SERVICE_RESTART)
                if other.channels:
                    other.post("", "alive", sorted(other.opened))


def _stream(name: str) -> str:
    return f"node:{name}"
