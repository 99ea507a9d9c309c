"""Tools in a conversation: fillers, hand-overs and summaries as people hear them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.agent.stage import Stage
from voicebot.agent.agent import Agent
from voicebot.agent.thinking.handover import MAX_HANDOFFS
from voicebot.events import (
    ContextSummarised,
    ErrorEvent,
    FloorGranted,
    Handoff,
    LatencyMeasured,
    LLMFinished,
    PlayoutFinished,
    SpeculationCancelled,
    SpeculationCommitted,
    ToolReturned,
    TranscriptFinal,
)
from voicebot.llm.lines import ChatLine, ScriptedCall
from voicebot.testing.models import Hears, Step

pytestmark = pytest.mark.virtual_time


def give_slow_tool(agent: Agent, seconds: float) -> None:
    @agent.tool
    async def tide(harbour: str) -> str:
        """The tide in a harbour."""
        await asyncio.sleep(seconds)
        if harbour == "nowhere":
            raise LookupError("no such harbour")
        return f"low in {harbour}"


async def test_people_hear_a_filler_while_a_slow_tool_runs(tmp_path: Path) -> None:
    script: list[list[Step] | str] = [[ScriptedCall("tide", {"harbour": "Brest"})], "It is low."]
    async with Stage(tmp_path, stt=["how is the tide"], llm=script, filler_after=1.0) as stage:
        ada = await stage.agent()
        give_slow_tool(ada, 5.0)
        ada.fillers.own = ("One moment.",)
        await stage.person()
        await stage.media.hear("anna", 1.0)
        assert await stage.said(ada) == "One moment. It is low."
        assert ada.memory.lines[-1].text == "One moment. It is low."  # it was heard
        assert stage.of(LLMFinished)[0].text == "It is low."
        (latency,) = stage.of(LatencyMeasured)
        assert latency.e2e_latency == pytest.approx(0.5 + 1.0, abs=0.05)
        assert stage.of(PlayoutFinished)[0].planned_text == "One moment. It is low."


async def test_a_quick_or_broken_tool_causes_no_filler(tmp_path: Path) -> None:
    script: list[list[Step] | str] = [[ScriptedCall("tide", {"harbour": "nowhere"})], "I cannot find it."]
    async with Stage(tmp_path, stt=["how is the tide"], llm=script) as stage:
        ada = await stage.agent()
        give_slow_tool(ada, 0.5)
        await stage.person()
        await stage.media.hear("anna", 1.0)
        assert await stage.said(ada) == "I cannot find it."
        (error,) = stage.of(ErrorEvent)
        assert (error.code, error.cause_seq) == ("tool", stage.of(ToolReturned)[0].cause_seq)
        assert "The tool tide of Ada: The tool failed: LookupError: no such harbour." in error.message


async def test_an_interruption_ends_the_wait_for_a_tool(tmp_path: Path) -> None:
    script: list[list[Step] | str] = [[ScriptedCall("tide", {"harbour": "Brest"})], "Gladly."]
    async with Stage(tmp_path, stt=["how is the tide", "never mind"], llm=script, filler_after=9.0) as stage:
        ada = await stage.agent()
        give_slow_tool(ada, 15.0)
        await stage.person()
        await stage.media.hear("anna", 1.0)
        await asyncio.sleep(3.0)
        await stage.media.hear("anna", 1.0)
        assert await stage.said(ada) == "Gladly."
        await asyncio.sleep(30.0)
        assert len([e for e in stage.of(TranscriptFinal) if e.participant_id == ada.id]) == 1


async def test_the_other_agent_answers_in_the_same_turn_and_is_measured_from_the_question(
    tmp_path: Path,
) -> None:
    give = ScriptedCall("hand_over", {"to": "Bruno", "why": "Anna wants a recipe."})
    script: list[list[Step] | str] = [["I will ask Bruno.", give], "With salt and butter."]
    async with Stage(tmp_path, stt=["Ada, how do I cook a crab"], llm=script) as stage:
        ada = await stage.agent()
        bruno = await stage.agent("Bruno, a cook")
        await stage.person()
        await stage.media.hear("anna", 1.0)
        assert await stage.said(bruno) == "With salt and butter."
        (event,) = stage.of(Handoff)
        assert (event.participant_id, event.to_participant_id) == (ada.id, bruno.id)
        assert event.reason == "Anna wants a recipe."
        question = stage.of(TranscriptFinal)[0]
        assert event.utterance_ids == [question.utterance_id]
        granted = stage.of(FloorGranted)
        assert [(e.participant_id, e.turn_id) for e in granted] == [
            (ada.id, question.turn_id), (bruno.id, question.turn_id),
        ]  # fmt: skip
        first, second = stage.of(LatencyMeasured)
        assert (first.participant_id, second.participant_id) == (ada.id, bruno.id)
        assert first.e2e_latency is not None
        assert second.e2e_latency is not None
        assert second.e2e_latency > first.e2e_latency
        started = next(e.t for e in stage.events if e.seq == second.cause_seq)
        assert second.e2e_latency == pytest.approx(started - question.end_t, abs=0.02)
        assert second.transcription_delay == first.transcription_delay
        assert stage.llm.calls[1].lines == [
            ChatLine("Anna", "Ada, how do I cook a crab"),
            ChatLine("Ada", "I will ask Bruno."),
        ]


async def test_hand_offs_in_one_turn_are_limited(tmp_path: Path) -> None:
    there = ScriptedCall("hand_over", {"to": "Bruno", "why": "x"})
    back = ScriptedCall("hand_over", {"to": "Ada", "why": "y"})
    script: list[list[Step] | str] = [[there], [back], [there], "Then I say it."]
    async with Stage(tmp_path, stt=["Ada, how do I cook a crab"], llm=script) as stage:
        ada = await stage.agent()
        await stage.agent("Bruno, a cook")
        await stage.person()
        await stage.media.hear("anna", 1.0)
        assert await stage.said(ada) == "Then I say it."
        assert len(stage.of(Handoff)) == MAX_HANDOFFS


async def test_a_turn_handed_to_an_agent_that_was_muted_meanwhile_comes_back(tmp_path: Path) -> None:
    give = ScriptedCall("hand_over", {"to": "Bruno", "why": "x"})
    script: list[list[Step] | str] = [["Bruno knows. ", 2.0, give], "Then I say it."]
    async with Stage(tmp_path, stt=["Ada, how do I cook a crab"], llm=script) as stage:
        ada = await stage.agent()
        bruno = await stage.agent("Bruno, a cook")
        await stage.person()
        await stage.media.hear("anna", 1.0)
        await stage.wait(FloorGranted)
        stage.session.mute(bruno.id)
        await stage.said(ada)
        assert await stage.said(ada, 2) == "Then I say it."
        assert not stage.of(Handoff)


async def test_a_long_conversation_is_summarised_between_turns(tmp_path: Path) -> None:
    script: list[list[Step] | str] = [
        "That is a lot.",
        [30.0, "They spoke of boats."],
        "And still I answer.",
    ]
    async with Stage(tmp_path, llm=script, context_tokens=500) as stage:
        ada = await stage.agent()
        await stage.person()
        stage.session.chat("anna", "boats " * 250)
        await stage.said(ada)
        await asyncio.sleep(1.0)  # the summary has begun
        stage.session.chat("anna", "and now")
        assert await stage.said(ada, 2) == "And still I answer."
        assert stage.events[-1].t < 20.0  # nobody waited for the summary
        event = await stage.wait(ContextSummarised)
        assert (event.participant_id, event.lines) == (ada.id, 1)
        assert ada.memory.summary == "They spoke of boats."
        assert [line.text for line in ada.memory.lines] == [
            "That is a lot.",
            "and now",
            "And still I answer.",
        ]


async def test_no_tool_runs_for_an_unfinished_question(tmp_path: Path) -> None:
    ran: list[float] = []
    half = Hears("set an alarm for seven no eight", drafts=["set an alarm for seven"])
    script = [[ScriptedCall("alarm", {"hour": 7})], [ScriptedCall("alarm", {"hour": 8})], "Done."]
    async with Stage(tmp_path, stt=[half], llm=script) as stage:
        ada = await stage.agent()

        @ada.tool
        async def alarm(hour: int) -> str:
            """Set an alarm."""
            ran.append(hour)
            return "set"

        await stage.person()
        await stage.media.hear("anna", 1.0, -0.3, 1.0)
        assert await stage.said(ada) == "Done."
        assert ran == [8]
        assert stage.of(SpeculationCancelled)
        assert not stage.of(SpeculationCommitted)


async def test_a_restored_agent_reports_its_lost_tools(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Stage(tmp_path) as stage:
        ada = await stage.agent()
        give_slow_tool(ada, 0.0)
        (record,) = stage.session.agent_records()
        await stage.session.remove(ada.id)
        back = await stage.session.restore(record)
        assert "Ada is back in lobby demo without its tools (tide). Run the code" in caplog.text
        assert back.lost_tools == ["tide"]
        assert stage.session.agent_records() == [record]  # the next restart reports it again
        give_slow_tool(back, 0.0)
        assert back.lost_tools == []
        assert stage.session.agent_records() == [record]
        back.forget_tool("tide")
        assert stage.session.agent_records()[0].tools == ()
