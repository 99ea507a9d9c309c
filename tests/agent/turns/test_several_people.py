"""People who talk at the same time, to different agents or to each other, all get their answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.agent.stage import Stage
from voicebot.agent.agent import Agent
from voicebot.agent.turns.scheduler import SETTLE_S
from voicebot.events import AddresseeDecided, FloorGranted, PlayoutStarted, TranscriptFinal
from voicebot.testing.models import Hears, Step

pytestmark = pytest.mark.virtual_time

BRUNO = "Bruno, a lighthouse keeper"


async def spoken_to_at_once(stage: Stage) -> tuple[Agent, Agent]:
    """Let Anna and Tom talk at the same time; returns the agents Ada and Bruno."""
    ada, bruno = await stage.agent(), await stage.agent(BRUNO)
    await stage.person()
    await stage.person("tom", "Tom")
    async with asyncio.TaskGroup() as group:
        group.create_task(stage.media.hear("anna", 2.0))
        group.create_task(stage.media.hear("tom", 2.0, after=0.5))
    return ada, bruno


async def test_words_to_a_person_do_not_cancel_another_persons_question(tmp_path: Path) -> None:
    never = asyncio.Event()
    async with Stage(
        tmp_path, stt=["Ada, what time is it", "hang on, Anna"], llm=[[never], "It is noon."]
    ) as stage:
        ada = await stage.agent()
        await stage.agent(BRUNO)
        await stage.person()
        await stage.person("tom", "Tom")
        await stage.media.hear("anna", 1.0)
        await stage.wait(FloorGranted)
        await stage.media.hear("tom", 1.0)
        assert await stage.said(ada) == "It is noon."
        decided = [(e.participant_id, e.participant_ids) for e in stage.of(AddresseeDecided)]
        assert decided[1:] == [("anna", [ada.id]), ("tom", [])]
        assert stage.llm.calls[1].lines.room.answer == ("Anna",)


async def test_two_people_who_ask_two_agents_at_once_are_both_answered(tmp_path: Path) -> None:
    async with Stage(
        tmp_path,
        stt=["Ada, what time is it", "Bruno, how is the sea"],
        llm=["It is noon.", "The sea is calm."],
    ) as stage:
        ada, bruno = await spoken_to_at_once(stage)
        assert await stage.said(ada) == "It is noon."
        assert await stage.said(bruno) == "The sea is calm."
        turns = [e.turn_id for e in stage.of(TranscriptFinal)]
        assert turns[2:] == turns[:2]
        for call, name in zip(stage.llm.calls, ("Anna", "Tom"), strict=True):
            assert call.lines.room.answer == (name,)


async def test_a_waiting_person_is_answered_after_others_speak(tmp_path: Path) -> None:
    long: list[Step] = ["It is a long story of a ship and a storm and a very old man."]
    async with Stage(
        tmp_path,
        stt=["Ada, tell me", "Bruno, how is the sea", "Ada, please stop"],
        llm=[long, "The sea is calm.", "Fine."],
    ) as stage:
        ada, bruno = await spoken_to_at_once(stage)
        await stage.wait(PlayoutStarted)
        await stage.media.hear("anna", 1.0, after=1.0)
        assert await stage.said(bruno) == "The sea is calm."
        assert await stage.said(ada, 2) == "Fine."


async def test_closing_waits_for_everybodys_last_words_in_parallel(tmp_path: Path) -> None:
    hangs = Hears("tell me more", gate=asyncio.Event())
    async with Stage(tmp_path, stt=[hangs, hangs]) as stage:
        await spoken_to_at_once(stage)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await stage.session.close()
        assert loop.time() - began == pytest.approx(SETTLE_S)
        assert all(stream.cancelled for stream in stage.stt.streams)
