"""An agent's speech that comes back through a loudspeaker is neither answered nor remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.stage import Stage
from voicebot.events import (
    EchoIgnored,
    InterruptionDetected,
    InterruptionResumed,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutStarted,
    TranscriptFinal,
    TranscriptInterim,
)
from voicebot.testing.models import Hears

pytestmark = pytest.mark.virtual_time

ANSWER = "The sea is deep and wide and full of fish and whales and ships and treasure."


async def test_an_echo_is_ignored(tmp_path: Path) -> None:
    echo = Hears("the sea is deep and white and full", interim=["the sea", "the sea is deep and"])
    async with Stage(tmp_path, stt=["tell me", echo], llm=[ANSWER], interrupt_after=2.0) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        await stage.wait(PlayoutStarted)
        await stage.media.hear("anna", 1.7, after=0.15)
        assert await stage.said(ada) == ANSWER
        ignored = await stage.wait(EchoIgnored)
        assert ignored.similarity > 0.8
        assert not stage.of(InterruptionDetected)
        assert not stage.of(PlayoutInterrupted)
        captions = [e.text for e in (*stage.of(TranscriptInterim), *stage.of(TranscriptFinal))]
        assert not any("white" in text or text == "the sea" for text in captions)
        assert [line.speaker for line in ada.memory.lines] == ["Anna", None]


async def test_an_agent_held_by_its_echo_continues(tmp_path: Path) -> None:
    async with Stage(tmp_path, stt=["tell me", "the sea is"], llm=[ANSWER]) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        await stage.wait(PlayoutStarted)
        await stage.media.hear("anna", 0.6, after=0.1)
        assert await stage.said(ada) == ANSWER
        assert stage.of(InterruptionResumed)
        assert not stage.of(PlayoutInterrupted)


async def test_speech_over_an_echo_is_heard(tmp_path: Path) -> None:
    both = Hears("the sea is stop please")
    async with Stage(tmp_path, stt=["tell me", both], llm=[ANSWER, "Fine."]) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        await stage.wait(PlayoutStarted)
        await stage.media.hear("anna", 1.4, after=0.1)
        await stage.wait(EchoIgnored)
        assert await stage.said(ada, 2) == "Fine."
        assert stage.llm.calls[1].lines[-1].text == "stop please"


async def test_the_same_words_later_are_not_an_echo(tmp_path: Path) -> None:
    async with Stage(
        tmp_path, stt=["tell me", "the sea is deep"], llm=["The sea is deep.", "It is."]
    ) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        await stage.wait(PlayoutFinished)
        await stage.media.hear("anna", 1.0, after=2.0)
        assert await stage.said(ada, 2) == "It is."
        assert not stage.of(EchoIgnored)
