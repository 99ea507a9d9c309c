"""Endless speech, as of a television, is cut into utterances, so that nobody else has to wait."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from tests.agent.stage import Stage
from voicebot.events import EndpointConfirmed, InterruptionDetected, LLMStarted, TranscriptFinal
from voicebot.llm.lines import ChatLine

pytestmark = pytest.mark.virtual_time


async def test_another_person_is_answered_while_a_television_runs(tmp_path: Path) -> None:
    answer = "The sea is deep and wide and full of fish and whales."
    async with Stage(
        tmp_path,
        stt=["and now the news", "and the weather", "hello Ada", "and sports"],
        llm=[answer, "Sports, I see."],
        max_utterance=5.0,
    ) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.person("tom", "Tom")
        television = asyncio.create_task(stage.media.hear("anna", 14.0))
        await asyncio.sleep(5.5)
        await stage.media.hear("tom", 1.0)
        assert await stage.said(ada) == answer
        assert not stage.of(InterruptionDetected)
        await television
        assert await stage.said(ada, 2) == "Sports, I see."
        finals = [e for e in stage.of(TranscriptFinal) if e.participant_id == "anna"]
        assert [e.text for e in finals] == ["and now the news", "and the weather", "and sports"]
        for one, two in itertools.pairwise(finals):
            assert one.end_t == two.start_t
        assert finals[0].end_t - finals[0].start_t == pytest.approx(5.0, abs=0.1)
        assert stage.of(EndpointConfirmed)[0].reason == "5 s without a pause"
        heard = sum(s.seconds for s in stage.stt.streams) - 1.0
        assert heard == pytest.approx(14.4, abs=0.4)


async def test_a_long_story_is_answered_once_at_its_end(tmp_path: Path) -> None:
    async with Stage(
        tmp_path, stt=["once upon a time", "there was a boat", "the end"], llm=["Nice."], max_utterance=5.0
    ) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 12.0)
        assert await stage.said(ada) == "Nice."
        assert [line.text for line in stage.llm.calls[0].lines] == [
            "once upon a time", "there was a boat", "the end",
        ]  # fmt: skip
        await stage.media.hear("anna", 0.0)
        assert len(stage.of(LLMStarted)) == 1


async def test_a_person_who_calls_an_agent_over_a_television_is_answered(tmp_path: Path) -> None:
    async with Stage(
        tmp_path,
        stt=["Ada, what time is it", "and the weather", ""],
        llm=["It is noon.", "Yes."],
        max_utterance=5.0,
    ) as stage:
        ada = await stage.agent()
        await stage.person()
        television = asyncio.create_task(stage.media.hear("anna", 12.0))
        assert await stage.said(ada) == "It is noon."
        assert stage.llm.calls[0].lines == [ChatLine("Anna", "Ada, what time is it")]
        assert not television.done()
        await television
        assert await stage.said(ada, 2) == "Yes."
