"""Agents are in the lobby at once, and hear and speak when the models are loaded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.agent.stage import Stage
from voicebot.events import AgentStateEvent, ErrorEvent, ParticipantJoined, SpeechStarted, TranscriptFinal
from voicebot.signaling.messages import ParticipantInfo

pytestmark = pytest.mark.virtual_time


async def test_an_agent_is_initializing_until_the_models_are_loaded(tmp_path: Path) -> None:
    async with Stage(tmp_path, stt=["what time is it"], loaded=False) as stage:
        spawning = asyncio.create_task(stage.agent(greeting="I am Ada."))
        await asyncio.sleep(1)
        await stage.person()
        (seen,) = stage.lobby.agents
        await stage.media.hear("anna", 1.0)  # nothing can transcribe it yet
        stage.session.chat("anna", "What is two plus two?")
        await asyncio.sleep(60)
        assert stage.lobby.agents == [seen]
        assert seen.state == "initializing"
        assert not spawning.done()
        for kind in (SpeechStarted, TranscriptFinal, AgentStateEvent, ErrorEvent):
            assert stage.of(kind) == []

        await stage.models.swap("llm", "offline")
        ada = await spawning
        assert stage.of(AgentStateEvent)[0].state == "idle"
        assert "4" in await stage.said(ada)  # so it need not introduce itself
        await stage.media.hear("anna", 1.0)
        await stage.wait(TranscriptFinal, lambda event: event.text == "what time is it")
        await stage.said(ada, 2)
        assert [e.participant_id for e in stage.of(ParticipantJoined)] == [ada.id, "anna"]
        assert stage.of(ErrorEvent) == []


async def test_a_person_who_joins_before_the_models_are_loaded_is_greeted_after(tmp_path: Path) -> None:
    async with Stage(tmp_path, loaded=False) as stage:
        spawning = asyncio.create_task(stage.agent(greeting="I am Ada."))
        await stage.person()
        await asyncio.sleep(60)
        await stage.models.swap("llm", "offline")
        ada = await spawning
        assert await stage.said(ada) == "I am Ada."
        await asyncio.sleep(60)
        assert len([e for e in stage.of(TranscriptFinal) if e.participant_id == ada.id]) == 1


async def test_an_initializing_agent_can_be_removed_and_restored(tmp_path: Path) -> None:
    async with Stage(tmp_path, loaded=False) as stage:
        stage.session.join(ParticipantInfo(id="anna", name="Anna", kind="human"))
        spawning = [asyncio.create_task(stage.agent(who)) for who in ("Ada, a guide", "Bruno, a baker")]
        await asyncio.sleep(1)
        ada, bruno = stage.lobby.agents
        await stage.session.remove(ada.id)
        assert [record.id for record in stage.session.agent_records()] == [bruno.id]
        await stage.models.swap("llm", "offline")
        await asyncio.gather(*spawning)
        assert [(agent.id, agent.state) for agent in stage.lobby.agents] == [(bruno.id, "idle")]
