"""An answer is prepared at the first short pause, and heard only if the person has finished."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.agent.stage import Stage
from voicebot.errors import ModelFailed
from voicebot.events import (
    ErrorEvent,
    FloorGranted,
    LatencyMeasured,
    LLMStarted,
    PlayoutInterrupted,
    PlayoutStarted,
    SpeculationCancelled,
    SpeculationCommitted,
    SpeculationStarted,
    TTSFirstAudio,
)
from voicebot.llm.lines import ChatLine
from voicebot.testing.models import Hears, ScriptedTTS

pytestmark = pytest.mark.virtual_time

QUESTION = Hears("what is the weather", drafts=["what is the weather"])


async def test_a_prepared_answer_is_heard_at_the_end_of_the_turn(tmp_path: Path) -> None:
    async with Stage(
        tmp_path, stt=[QUESTION], llm=[[0.2, "It rains. "]], tts=ScriptedTTS(delay=0.1)
    ) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        assert await stage.said(ada) == "It rains."
        (latency,) = stage.of(LatencyMeasured)
        assert latency.e2e_latency == pytest.approx(
            0.5, abs=0.02
        )  # no more than the silence that ends a turn
        assert not latency.cancelled
        started, committed = stage.of(SpeculationStarted)[0], stage.of(SpeculationCommitted)[0]
        assert (started.text, started.participant_id) == ("what is the weather", ada.id)
        assert stage.of(TTSFirstAudio)[0].t < committed.t <= stage.of(PlayoutStarted)[0].t
        assert started.speech_id == stage.of(FloorGranted)[0].speech_id
        assert not stage.of(SpeculationCancelled)
        assert stage.llm.calls[0].lines == [ChatLine("Anna", "what is the weather")]
        assert [line.text for line in ada.memory.lines] == ["what is the weather", "It rains."]


async def test_nothing_is_heard_of_an_answer_to_half_a_question(tmp_path: Path) -> None:
    half = Hears("what is the weather in paris", drafts=["what is the weather"])
    async with Stage(tmp_path, stt=[half], llm=["Fine, I hope. ", "In Paris it rains."]) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0, -0.3, 1.0)
        assert await stage.said(ada) == "In Paris it rains."
        cancelled = stage.of(SpeculationCancelled)[0]
        assert cancelled.reason == "speech went on"
        assert (cancelled.written, cancelled.characters) == (len("Fine, I hope. "), len("Fine, I hope."))
        assert cancelled.audio_s == pytest.approx(13 * 0.05, abs=0.01)
        assert len(stage.of(PlayoutStarted)) == 1
        assert ada.memory.messages()[-1]["content"] == "In Paris it rains."


async def test_a_different_final_transcript_gets_a_new_answer(tmp_path: Path) -> None:
    wrong = Hears("write to Ben", drafts=["right to Ben"])
    async with Stage(tmp_path, stt=[wrong], llm=["You are right.", "I cannot write."]) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        assert await stage.said(ada) == "I cannot write."
        assert stage.of(SpeculationCancelled)[0].reason == "the words have changed"
        assert len(stage.of(PlayoutStarted)) == 1


async def test_punctuation_does_not_make_a_different_transcript(tmp_path: Path) -> None:
    async with Stage(
        tmp_path, stt=[Hears("What is the weather?", drafts=["what is  the weather"])], llm=["Fine."]
    ) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        assert await stage.said(ada) == "Fine."
        assert len(stage.of(LLMStarted)) == 1


async def test_the_failure_of_a_discarded_answer_is_not_reported(tmp_path: Path) -> None:
    half = Hears("what is the weather in paris", drafts=["what is the weather"])
    async with Stage(tmp_path, stt=[half], llm=[[ModelFailed("down")], "It rains."]) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0, -0.3, 1.0)
        assert await stage.said(ada) == "It rains."
        assert not stage.of(ErrorEvent)


async def test_the_failure_of_a_committed_answer_is_reported_once(tmp_path: Path) -> None:
    async with Stage(tmp_path, stt=[QUESTION], llm=[[ModelFailed("down")]]) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        assert "cannot think" in await stage.said(ada)
        assert len(stage.of(ErrorEvent)) == 1


async def test_only_the_first_sentence_is_synthesized_ahead(tmp_path: Path) -> None:
    gate = asyncio.Event()
    slow = Hears("what is the weather", drafts=["what is the weather"], gate=gate)
    async with Stage(tmp_path, stt=[slow], llm=["It rains. It will rain on. And on."]) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        await asyncio.sleep(3)
        assert stage.tts.spoken == ["It rains."]
        assert not stage.of(PlayoutStarted)
        gate.set()
        assert await stage.said(ada) == "It rains. It will rain on. And on."


async def test_speech_of_another_person_cancels_the_prepared_answer(tmp_path: Path) -> None:
    async with Stage(tmp_path, stt=[QUESTION, "and in rome?"], llm=["Fine.", "Fine in both."]) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.person("tom", "Tom")
        async with asyncio.TaskGroup() as group:
            group.create_task(stage.media.hear("anna", 1.0))
            group.create_task(stage.media.hear("tom", 1.0, after=1.25))
        assert await stage.said(ada) == "Fine in both."
        assert stage.of(SpeculationCancelled)[0].reason == "somebody else speaks"


async def test_speculation_can_be_switched_off(tmp_path: Path) -> None:
    async with Stage(tmp_path, stt=[QUESTION], llm=["Fine."], speculate=False) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        assert await stage.said(ada) == "Fine."
        assert not stage.of(SpeculationStarted)


@pytest.mark.parametrize("what", ["mute", "remove", "leave", "die"])
async def test_nothing_prepared_is_left_over(tmp_path: Path, what: str) -> None:
    gate = asyncio.Event()
    slow = Hears("what is the weather", drafts=["what is the weather"], gate=gate)
    async with Stage(tmp_path, stt=[slow], llm=["It rains."]) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.person("tom", "Tom")
        await stage.media.hear("anna", 1.0)
        await stage.wait(TTSFirstAudio)
        if what == "mute":
            stage.session.mute(ada.id)
        elif what == "remove":
            await stage.session.remove(ada.id)
        elif what == "leave":
            stage.session.leave("anna")
        else:
            stage.media.die()
        if what == "leave":
            gate.set()
            await stage.said(ada)  # the question is answered, because Tom is here
        else:
            await stage.wait(SpeculationCancelled)
            assert not stage.media.talking()
            assert not stage.of(PlayoutInterrupted)  # nobody heard any of it
            gate.set()


async def test_no_answer_to_half_a_sentence_is_prepared(tmp_path: Path) -> None:
    tea, all_of_it = "i like tea and", "i like tea and cake"
    open_end = Hears(all_of_it, interim=[tea], drafts=[tea, all_of_it])
    async with Stage(tmp_path, stt=[open_end], llm=["So do I."], endpointing="dynamic") as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0, -0.7, 1.0)
        assert await stage.said(ada) == "So do I."
        assert not stage.of(SpeculationCancelled)
