"""Speech over an agent: words stop it, "uh-huh" does not, and a noise only holds it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.agent.stage import Stage
from voicebot.agent.agent import Agent
from voicebot.events import (
    AgentStateEvent,
    InterruptionBackchannel,
    InterruptionDetected,
    InterruptionFalse,
    InterruptionResumed,
    LatencyMeasured,
    LLMFinished,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutStarted,
)
from voicebot.media.base import PlayoutHeld, PlayoutResumed
from voicebot.testing.models import Hears, Step

pytestmark = pytest.mark.virtual_time

ANSWER = "The sea is deep and wide and full of fish and whales and ships and treasure."


async def talking(stage: Stage) -> Agent:
    """An agent that has just begun its answer."""
    ada = await stage.agent()
    await stage.person()
    await stage.media.hear("anna", 1.0)
    await stage.wait(PlayoutStarted)
    return ada


async def test_a_noise_holds_the_agent_which_continues_where_it_stopped(tmp_path: Path) -> None:
    async with Stage(tmp_path, stt=["tell me", ""], llm=[ANSWER]) as stage:
        ada = await talking(stage)
        await stage.media.hear("anna", 0.7, after=0.5)
        assert await stage.said(ada) == ANSWER
        (finished,) = stage.of(PlayoutFinished)
        assert finished.heard_until_s == pytest.approx(
            len(ANSWER) * 0.05, abs=0.01
        )  # no sample is lost or repeated
        held = await stage.media.wait_for(PlayoutHeld)
        resumed = await stage.media.wait_for(PlayoutResumed)
        assert (held.by, held.played) == ("anna", pytest.approx(1.0, abs=0.05))
        assert resumed.time - held.time < 1.0
        detected, false = stage.of(InterruptionDetected)[0], stage.of(InterruptionFalse)[0]
        assert (false.cause_seq, stage.of(InterruptionResumed)[0].cause_seq) == (detected.seq, false.seq)
        assert ada.memory.messages()[-1] == {"role": "assistant", "content": ANSWER}
        assert len(stage.of(LatencyMeasured)) == 1
        states = [e.state for e in stage.of(AgentStateEvent) if e.participant_id == ada.id]
        assert states[-4:] == ["speaking", "listening", "speaking", "idle"]


async def test_the_model_keeps_writing_while_the_agent_is_held(tmp_path: Path) -> None:
    answer: list[Step] = ["The sea is deep. ", 1.5, "It is full of fish."]
    async with Stage(tmp_path, stt=["tell me", ""], llm=[answer]) as stage:
        ada = await talking(stage)
        await stage.media.hear("anna", 0.6, after=0.1)
        assert await stage.said(ada) == "The sea is deep. It is full of fish."


@pytest.mark.parametrize("seconds", [0.2, 0.45])
async def test_uh_huh_does_not_stop_an_agent(tmp_path: Path, seconds: float) -> None:
    async with Stage(tmp_path, stt=["tell me", Hears("uh-huh", interim=["uh"])], llm=[ANSWER]) as stage:
        ada = await talking(stage)
        await stage.media.hear("anna", seconds, after=0.5)
        assert (await stage.wait(InterruptionBackchannel)).text == "uh-huh"
        assert await stage.said(ada) == ANSWER
        assert not stage.of(InterruptionDetected)
        assert len(stage.llm.calls) == 1


async def test_a_long_yeah_holds_the_agent_only_until_it_ends(tmp_path: Path) -> None:
    yeah = Hears("oh yeah I see", interim=["oh", "oh yeah", "oh yeah I"], drafts=["oh yeah I see"])
    async with Stage(tmp_path, stt=["tell me", yeah], llm=[ANSWER]) as stage:
        ada = await talking(stage)
        await stage.media.hear("anna", 0.9, after=0.5)
        assert await stage.said(ada) == ANSWER
        assert len(stage.of(InterruptionBackchannel)) == 1
        resumed = await stage.media.wait_for(PlayoutResumed)
        first = stage.of(PlayoutStarted)[0].t
        # at the first short pause, not at the end of the turn
        assert stage.session.log is not None
        assert stage.session.log.at(resumed.time) - first == pytest.approx(0.5 + 0.9 + 0.1, abs=0.06)


async def test_a_noise_mistaken_for_a_word_does_not_end_the_answer(tmp_path: Path) -> None:
    cough = Hears("", interim=["cut"], drafts=[""])
    async with Stage(tmp_path, stt=["tell me", cough], llm=[ANSWER], interrupt_after=2.0) as stage:
        ada = await talking(stage)
        await stage.media.hear("anna", 0.9, after=0.5)
        assert await stage.said(ada) == ANSWER
        assert (await stage.media.wait_for(PlayoutHeld)).by == "anna"
        assert stage.of(InterruptionFalse)


async def test_words_hold_the_agent_before_interrupt_after(tmp_path: Path) -> None:
    stop = Hears("stop please", interim=["stop", "stop please"])
    async with Stage(tmp_path, stt=["tell me", stop], llm=[ANSWER, "Fine."], interrupt_after=2.0) as stage:
        ada = await talking(stage)
        await stage.media.hear("anna", 1.0, after=0.5)
        heard = await stage.said(ada)
        assert ANSWER.startswith(heard)
        (broken,) = stage.of(PlayoutInterrupted)
        assert broken.heard_until_s < 1.1
        assert broken.cause_seq == stage.of(InterruptionDetected)[0].seq
        assert await stage.said(ada, 2) == "Fine."
        assert stage.of(InterruptionDetected)[0].participant_id == "anna"


async def test_an_interruption_also_stops_the_model(tmp_path: Path) -> None:
    answer: list[Step] = ["The sea is deep and wide. ", 60.0, "And so on."]
    async with Stage(tmp_path, stt=["tell me", "no, about boats"], llm=[answer, "Boats float."]) as stage:
        ada = await talking(stage)
        await stage.media.hear("anna", 1.0)
        await stage.said(ada, 2)
        assert stage.of(LLMFinished)[0].cancelled


async def test_an_interruption_wins_over_a_backchannel(tmp_path: Path) -> None:
    async with Stage(tmp_path, stt=["tell me", "", "what about boats"], llm=[ANSWER, "They float."]) as stage:
        ada = await talking(stage)
        await stage.person("tom", "Tom")
        async with asyncio.TaskGroup() as group:
            group.create_task(stage.media.hear("anna", 0.7, after=0.3))
            group.create_task(stage.media.hear("tom", 1.5, after=0.6))
        assert ANSWER.startswith(await stage.said(ada))
        assert not stage.of(InterruptionResumed)
        assert await stage.said(ada, 2) == "They float."


async def test_a_person_who_leaves_while_speaking_does_not_hold_the_agent(tmp_path: Path) -> None:
    async with Stage(tmp_path, stt=["tell me", ""], llm=[ANSWER]) as stage:
        ada = await talking(stage)
        await stage.person("tom", "Tom")
        speaking = asyncio.create_task(stage.media.hear("anna", 20.0, after=0.3))
        await stage.media.wait_for(PlayoutHeld)
        speaking.cancel()
        stage.session.leave("anna")
        assert await stage.said(ada) == ANSWER
        await asyncio.gather(speaking, return_exceptions=True)
