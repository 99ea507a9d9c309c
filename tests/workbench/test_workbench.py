"""The real server in a plain asyncio loop: starting, stopping, running cells again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.waiting import GUARD
from voicebot.agent.tools.function_tools import make_tool
from voicebot.agent.tools.mcp_servers import McpServers
from voicebot.errors import VoicebotError
from voicebot.events import LoopStall
from voicebot.workbench import Workbench

CHEAP = {"stt_model": "pocketsphinx", "tts_model": "espeak", "port": 0}


@pytest.fixture
async def wb(tmp_path: Path) -> AsyncIterator[Workbench]:
    workbench = Workbench(data_dir=tmp_path, **CHEAP)
    yield await workbench.start()
    await workbench.stop()


def abs_of(number: int) -> int:
    return abs(number)


async def ok(wb: Workbench) -> bool:
    async with httpx.AsyncClient() as http:
        return (await http.get(wb.link)).status_code == 200


async def test_a_workbench_that_is_not_started_says_what_to_run(tmp_path):
    wb = Workbench(data_dir=tmp_path, **CHEAP)
    assert repr(wb) == "<Workbench, not started>"
    for use in (lambda: wb.link, wb.panel, lambda: wb.events, wb.client, lambda: wb.conversation):
        with pytest.raises(VoicebotError, match=r"wb\.start\(\)"):
            use()
    await wb.stop()


async def test_cells_can_be_run_again(wb, tmp_path, monkeypatch):
    link, panel = wb.link, wb.panel()
    assert await ok(wb)
    agent = await wb.spawn("a grumpy lighthouse keeper")

    assert await wb.start() is wb
    assert wb.link == link
    again = await Workbench(data_dir=tmp_path, **CHEAP).start()
    assert again.link == link
    assert again.panel() is panel
    assert await again.spawn("a grumpy lighthouse keeper") is agent

    def tide(harbour: str) -> str:
        """The tide in a harbour."""
        return f"low in {harbour}"

    for _ in range(2):
        assert await wb.spawn("a grumpy lighthouse keeper", tools=[tide]) is agent
    assert [tool.name for tool in agent.tools] == ["tide"]
    with pytest.raises(VoicebotError, match="MCP_CONFIG"):
        await wb.spawn("somebody else", mcp=["files"])
    with pytest.raises(VoicebotError, match="no docstring"):
        await wb.spawn("somebody else", tools=[tide, abs_of])
    assert len(wb.agent_session.agents) == 1  # and nobody came who could not do what was wanted

    async def harbours(servers, name):
        return [make_tool(tide)]

    monkeypatch.setattr(McpServers, "tools", harbours)
    twin = await again.spawn("a grumpy lighthouse keeper", another=True, mcp=["harbours"])
    assert twin is not agent
    assert [tool.name for tool in twin.tools] == ["tide"]
    assert set(wb.agent_session.agents) == {agent.id, twin.id}

    await wb.remove(agent)
    anew = await wb.spawn("a grumpy lighthouse keeper", name="Silas")
    assert anew.name == "Silas"
    assert {row["id"] for row in panel.agents.rows} == {twin.id, anew.id}


async def test_other_settings_replace_a_workbench_and_a_stopped_one_can_restart(wb, tmp_path):
    old_panel = wb.panel()
    async with httpx.AsyncClient() as http:
        old_link = wb.link
        other = await Workbench(data_dir=tmp_path / "other", **CHEAP).start()
        with pytest.raises(httpx.ConnectError):
            await http.get(old_link)
    assert not wb.running
    assert not old_panel.link.running
    assert await ok(other)
    await wb.start()
    assert wb.running
    assert not other.running
    assert await ok(wb)
    await wb.stop()
    await wb.stop()
    assert repr(wb) == "<Workbench, not started>"
    await wb.start()
    assert await ok(wb)


async def test_a_guest_stays_the_same_when_the_first_cell_is_run_again(wb, tmp_path):
    guest = await wb.guest()
    again = await Workbench(data_dir=tmp_path, **CHEAP).start()
    assert await again.guest() is guest
    assert await wb.start() is wb
    assert await wb.guest() is guest
    assert len(wb.agent_session.lobby.humans) == 1
    await again.leave()
    assert not guest.present


async def test_a_stop_that_was_interrupted_can_be_finished(wb, tmp_path, monkeypatch):
    link = wb.link
    hosting = wb._session.hosting
    reached, stop = asyncio.Event(), hosting.stop

    async def stuck() -> None:
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(hosting, "stop", stuck)
    stopping = asyncio.create_task(wb.stop())
    await asyncio.wait_for(reached.wait(), GUARD)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    assert not wb.running
    monkeypatch.setattr(hosting, "stop", stop)
    await wb.stop()
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(link)


async def test_stopping_the_server_cancels_work_of_the_panel(wb, monkeypatch):
    panel, client = wb.panel(), wb.client()
    begun = asyncio.Event()
    models = wb._session.hosting.models

    async def load(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(models, "swap", load)
    control = panel.models["tts"]
    control._begin("flite:slt")
    await asyncio.wait_for(begun.wait(), GUARD)
    assert client.running
    await wb.stop()
    assert not control._tasks
    assert control.dropdown.disabled
    assert panel.add_agent.text.disabled
    assert not client.running
    assert not panel.link.running


async def test_the_panel_adds_another_agent_of_the_same_description(wb):
    agent = await wb.spawn("a grumpy lighthouse keeper")
    field = wb.panel().add_agent
    field.text.value = "a grumpy lighthouse keeper"
    field._begin()
    await asyncio.wait(field._tasks)
    assert field.text.value == ""
    assert len(wb.agent_session.agents) == 2
    assert await wb.spawn("a grumpy lighthouse keeper") is agent


async def test_a_start_that_fails_leaves_nothing_behind(tmp_path):
    with pytest.raises(VoicebotError, match="no-such-backend"):
        await Workbench(data_dir=tmp_path, **(CHEAP | {"tts_model": "no-such-backend"})).start()
    wb = await Workbench(data_dir=tmp_path, **CHEAP).start()
    assert wb.running
    await wb.stop()


async def test_models_are_shown_swapped_and_kept_when_the_new_one_fails(wb):
    assert list(wb.models.index) == ["stt", "tts", "llm"]
    before = wb.models.model["tts"]
    assert wb.options("tts").status[before] == "ready"
    with pytest.raises(VoicebotError):
        await wb.swap("tts", "no-such-backend:x")
    assert wb.models.model["tts"] == before == wb.panel().models["tts"].dropdown.value
    # a busy machine adds warnings
    errors = [row for row in wb.panel().notices.rows if row["level"] == "error"]
    assert "no-such-backend" in errors[0]["text"]


@pytest.mark.live
@pytest.mark.long
async def test_a_guest_is_answered_and_everything_is_in_the_panel_and_the_frames(wb):
    with pytest.raises(VoicebotError, match="no conversation yet"):
        _ = wb.conversation
    agent = await wb.spawn("a grumpy lighthouse keeper", name="Silas")
    said = await wb.say("What is the weather in Paris?", within=60)
    while "weather" not in said.heard:  # a busy machine tears speech apart
        said = await wb.say("What is the weather in Paris?", within=60)
    assert said.answers
    assert said.answers[0][0] == "Silas"
    assert said.latency > 0
    assert "weather" in str(said)

    panel = wb.panel()
    texts = {(row["name"], row["text"]) for row in panel.transcript.rows if row["kind"] == "speech"}
    assert ("Guest", said.heard) in texts
    assert said.answers[0] in texts
    [turn] = panel.latency.rows[-1:]
    assert turn["question"] == said.heard
    assert sum(seconds for _, _, seconds in turn["parts"]) == pytest.approx(turn["e2e"], abs=1e-3)
    assert {"Guest", "Silas"} == {row["name"] for row in panel.agents.rows}
    assert {"latency", "transcript.final", "playout.finished"} <= set(wb.events.type)
    assert set(wb.conversation.turns.name) == {"Guest", "Silas"}

    stalled = asyncio.Event()
    wb.agent_session.subscribe(lambda event: stalled.set() if isinstance(event, LoopStall) else None)
    time.sleep(0.8)  # noqa: ASYNC251 - a cell that blocks
    await asyncio.wait_for(stalled.wait(), GUARD)
    assert "loop_stall" in set(wb.events.type)
    assert "blocked the event loop" in panel.notices.rows[-1]["text"]

    await wb.leave()
    await wb.leave("nobody")
    assert {row["id"] for row in panel.agents.rows} == {agent.id}
