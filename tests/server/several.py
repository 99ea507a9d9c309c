"""Several servers on one Redis, and visitors of any of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tests.server.conftest import Visitor
from tests.support.redis_server import RedisServer
from tests.support.waiting import GUARD
from voicebot.agent.models.models import Models
from voicebot.llm.offline import OfflineLLM
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Limits
from voicebot.settings import Settings
from voicebot.tasks import cancel
from voicebot.testing.media import FakeMediaPlane
from voicebot.testing.models import ScriptedSTT, ScriptedTTS


@dataclass
class Nodes:
    """Servers a, b and c, each with its own data folder."""

    folder: Path
    redis: RedisServer
    started: dict[str, Hosting] = field(default_factory=dict)
    visitors: list[Visitor] = field(default_factory=list)

    async def start(self, name: str, **limits: Any) -> Hosting:
        settings = Settings(_env_file=None, port=0, data_dir=self.folder / name, store=self.redis.url)  # type: ignore[call-arg]
        models = Models(settings, stt=ScriptedSTT(), tts=ScriptedTTS(), llm=OfflineLLM())
        hosting = Hosting(
            settings,
            FakeMediaPlane(),
            models=models,
            limits=Limits(**{"burst": 1000, "reconnecting_after": 0.05, **limits}),
        )
        self.started[name] = hosting
        await hosting.start()
        return hosting

    async def visit(self, hosting: Hosting) -> Visitor:
        http = httpx.AsyncClient(base_url=hosting.url, headers={"Origin": hosting.url.rstrip("/")})
        (await http.post("api/session")).raise_for_status()
        visitor = Visitor(http, hosting.url)
        self.visitors.append(visitor)
        return await visitor.open()

    async def tab(self, hosting: Hosting, of: Visitor) -> Visitor:
        """The same browser, connecting to another server."""
        http = httpx.AsyncClient(
            base_url=hosting.url, headers={"Origin": hosting.url.rstrip("/")}, cookies=of.http.cookies
        )
        visitor = Visitor(http, hosting.url, me=of.me, last_seq=of.last_seq)
        self.visitors.append(visitor)
        return await visitor.open()


async def vanish(hosting: Hosting) -> None:
    """Disappear as a killed server does: send, write and release nothing."""
    cluster = hosting._cluster
    assert cluster is not None
    tasks = [*cluster.nodes._tasks, *hosting._lobbies.persistence._tasks, cluster._takeover._task]
    await cancel(tasks)
    nobody = Redis.from_url("redis://127.0.0.1:1/0", retry=Retry(NoBackoff(), 0))
    store = hosting._store._store  # type: ignore[attr-defined]
    gone, store._redis = store._redis, nobody
    await gone.aclose()  # what was being asked fails
    while gone.connection_pool._in_use_connections:  # noqa: ASYNC110 -- such as one that was just connecting
        await asyncio.sleep(0)
    await gone.aclose()


async def pair(nodes: Nodes) -> tuple[Hosting, Hosting, Visitor, Visitor]:
    """Ada is on server a, which has the demo lobby; Bob is on b."""
    a, b = await nodes.start("a"), await nodes.start("b")
    assert list(a.agent_sessions) == ["demo"]
    assert list(b.agent_sessions) == []
    ada = await (await nodes.visit(a)).join("Ada")
    bob = await (await nodes.visit(b)).join("Bob")
    await seat_written(b, bob.me)
    return a, b, ada, bob


async def chat(sender: Visitor, *receivers: Visitor, text: str) -> None:
    await sender.send("chat_message", {"text": text}, lobby="demo")
    for one in (sender, *receivers):
        said = await one.expect("chat_message", lambda m: m["data"]["text"] == text)
        assert said["data"]["participant_id"] == sender.me


async def resume(visitor: Visitor, hosting: Hosting, nodes: Nodes) -> Visitor:
    again = await nodes.tab(hosting, visitor)
    hello = (await again.expect("session_established"))["data"]
    assert (hello["resumed"], hello["participant_id"]) == (True, visitor.me)
    await again.send("resume", {"last_seq": visitor.last_seq})
    return again


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(GUARD):
        while not await reached():
            await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=0.02)  # type: ignore[arg-type]


async def seat_written(hosting: Hosting, me: str) -> None:
    async def written() -> bool:
        seats = [one.seat.participant_id for one in await hosting._store.seats("demo") if one.seat]
        return me in seats and await hosting._store.get_lobby("demo") is not None

    await until(written)
