"""Agents greet when nobody speaks, and only people answer a greeting."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.agent.stage import Stage
from voicebot.events import (
    ConnectionState,
    LLMStarted,
    PlayoutFinished,
    PlayoutStarted,
    SpeechStopped,
    TranscriptFinal,
)
from voicebot.llm.lines import ChatLine
from voicebot.signaling.messages import ParticipantInfo
from voicebot.testing.models import Hears

pytestmark = pytest.mark.virtual_time

BRUNO = "Bruno, a lighthouse keeper"


async def test_no_agent_answers_a_greeting_even_if_named_in_it(tmp_path: Path) -> None:
    async with Stage(tmp_path) as stage:
        ada = await stage.agent(greeting="I am Ada. Shall we talk, Bruno?")
        bruno = await stage.agent(BRUNO)
        await stage.person()
        assert await stage.said(ada) == "I am Ada. Shall we talk, Bruno?"
        await asyncio.sleep(60)
        assert not stage.of(LLMStarted)
        assert bruno.state == "idle"


async def test_a_line_written_during_a_greeting_is_answered(tmp_path: Path) -> None:
    async with Stage(tmp_path, llm=["It is noon."]) as stage:
        ada = await stage.agent(greeting="I am Ada. What shall we talk about?")
        bruno = await stage.agent(BRUNO)
        await stage.person()
        await stage.wait(PlayoutStarted)
        await asyncio.sleep(0.5)
        stage.session.chat("anna", "Bruno, what time is it?")
        await stage.said(ada)
        assert await stage.said(bruno) == "It is noon."
        assert [line.speaker for line in stage.llm.calls[0].lines] == ["Ada", "Anna"]


async def test_a_new_agent_waits_until_another_has_spoken(tmp_path: Path) -> None:
    async with Stage(tmp_path, stt=["tell me"], llm=["The sea is deep and wide and old."]) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        await stage.wait(PlayoutStarted)
        bruno = await stage.agent(BRUNO, greeting="I am Bruno.")
        assert await stage.said(bruno) == "I am Bruno."
        told = stage.of(PlayoutFinished)[0]
        assert (told.participant_id, told.heard_text) == (ada.id, "The sea is deep and wide and old.")
        assert told.t <= stage.of(PlayoutStarted)[1].t


async def test_a_new_agent_waits_until_people_have_been_answered(tmp_path: Path) -> None:
    understood = asyncio.Event()
    async with Stage(
        tmp_path, stt=[Hears("Ada, what time is it", gate=understood)], llm=["It is noon."]
    ) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.wait(ConnectionState, lambda e: e.state == "connected")
        await stage.media.hear("anna", 1.0)
        await stage.wait(SpeechStopped)
        await asyncio.sleep(1.0)  # the turn is over, but its text is not known yet
        bruno = await stage.agent(BRUNO, greeting="I am Bruno.")
        await asyncio.sleep(1.0)
        assert not stage.of(PlayoutStarted)
        understood.set()
        await stage.said(bruno)
        spoken = [(e.participant_id, e.text) for e in stage.of(TranscriptFinal)]
        assert spoken[1:] == [(ada.id, "It is noon."), (bruno.id, "I am Bruno.")]
        assert stage.llm.calls[0].lines == [ChatLine("Anna", "Ada, what time is it")]


async def test_an_agent_that_has_answered_does_not_introduce_itself(tmp_path: Path) -> None:
    async with Stage(tmp_path, stt=["hello ada"], llm=["Hello, Anna."]) as stage:
        await stage.person()
        await stage.wait(ConnectionState, lambda e: e.state == "connected")
        speaking = asyncio.create_task(stage.media.hear("anna", 2.0))
        await asyncio.sleep(1.0)
        ada = await stage.agent(greeting="I am Ada.")
        await speaking
        assert await stage.said(ada) == "Hello, Anna."
        await asyncio.sleep(30)
        assert len(stage.of(PlayoutStarted)) == 1


async def test_nobody_is_greeted_again_after_a_restart(tmp_path: Path) -> None:
    async with Stage(tmp_path, llm=["It is noon."]) as stage:
        ada = await stage.agent(greeting="I am Ada.")
        anna = ParticipantInfo(id="anna", name="Anna", kind="human", presence="reconnecting")
        stage.session.join(anna)
        (record,) = stage.session.agent_records()
        await stage.session.remove(ada.id)
        await stage.session.connections.answer("anna", 1, "offer", {"0": "anna"})
        back = await stage.session.restore(record)
        await asyncio.sleep(60)
        assert not stage.of(PlayoutStarted)
        stage.session.chat("anna", "What time is it?")
        assert await stage.said(back) == "It is noon."
