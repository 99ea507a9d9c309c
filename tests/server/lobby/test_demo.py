"""The demo lobby belongs to nobody, cannot be ended, and is renewed when everybody has left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import HostingFactory, VisitorFactory
from tests.support.waiting import GUARD
from voicebot.server.hosting import Hosting
from voicebot.store.base import AgentRecord
from voicebot.store.sqlite import FILE, SqliteStore


def agents(hosting: Hosting) -> list[AgentRecord]:
    """The demo lobby's agents without their ids, which are always new."""
    return [replace(agent, id="") for agent in hosting.agent_sessions["demo"].agent_records()]


async def until(hosting: Hosting, condition: Callable[[], bool]) -> None:
    """Wait until the demo lobby has changed so that the condition holds."""
    changed = asyncio.Event()
    unsubscribe = hosting.agent_sessions["demo"].lobby.subscribe(lambda event: changed.set())
    try:
        async with asyncio.timeout(GUARD):
            while not condition():
                changed.clear()
                await changed.wait()
    finally:
        unsubscribe()


@pytest.mark.parametrize("what", ["removed", "muted", "replaced", "joined by another"])
async def test_the_demo_agent_is_back_after_guests_have_changed_it(
    host: HostingFactory, visit: VisitorFactory, what: str
) -> None:
    hosting = await host()
    made = agents(hosting)
    (ada,) = hosting.agent_sessions["demo"].lobby.agents
    mallory = await visit(hosting, joined="Mallory")
    if what in ("removed", "replaced"):
        await mallory.send("agent_remove", {"participant_id": ada.id}, lobby="demo")
        await mallory.expect("agent_removed")
    if what in ("replaced", "joined by another"):
        await mallory.send("agent_create", {"description": "a rude pirate"}, lobby="demo")
        await mallory.expect("agent_created")
    if what == "muted":
        await mallory.send("agent_update", {"participant_id": ada.id, "muted": True}, lobby="demo")
        await mallory.expect("participant_updated")
    await mallory.settle()
    assert agents(hosting) != made
    await mallory.send("leave_lobby", lobby="demo")
    await until(hosting, lambda: agents(hosting) == made)
    bob = await visit(hosting, joined="Bob")
    state = (await bob.expect("lobby_state"))["data"]
    assert [p["name"] for p in state["participants"] if p["kind"] == "agent"] == [ada.name]


async def test_an_unchanged_demo_agent_is_kept(host: HostingFactory, visit: VisitorFactory) -> None:
    hosting = await host()
    (ada,) = hosting.agent_sessions["demo"].lobby.agents
    bob = await visit(hosting, joined="Bob")
    await bob.send("leave_lobby", lobby="demo")
    await bob.settle()
    assert [agent.id for agent in hosting.agent_sessions["demo"].lobby.agents] == [ada.id]


async def test_no_visitor_can_end_the_demo_lobby(host: HostingFactory, visit: VisitorFactory) -> None:
    hosting = await host()
    bob = await visit(hosting, joined="Bob")
    assert (await bob.http.delete("api/lobbies/demo")).status_code == 403
    assert "demo" in hosting.agent_sessions


async def test_the_demo_lobby_is_renewed_at_the_next_start(host: HostingFactory, tmp_path: Path) -> None:
    async def start() -> Any:
        return await host(store=await SqliteStore.open(tmp_path / FILE))

    hosting = await start()
    made = agents(hosting)
    (ada,) = hosting.agent_sessions["demo"].lobby.agents
    await hosting.agent_sessions["demo"].remove(ada.id)
    await hosting.stop()
    again = await start()
    assert agents(again) == made
