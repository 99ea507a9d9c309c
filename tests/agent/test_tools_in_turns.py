"""Tools in a conversation: run once the turn is sure, bridged when slow, and one that gives the turn away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.agent.stage import Stage
from voicebot.events import (
    FloorGranted,
    Handoff,
    LatencyMeasured,
    PlayoutSentence,
    SpeculationCancelled,
    SpeculationCommitted,
    ToolReturned,
)
from voicebot.llm.lines import Call
from voicebot.testing.models import Hears

pytestmark = pytest.mark.virtual_time


async def test_a_turn_that_is_given_away_goes_on_for_the_same_person(tmp_path: Path) -> None:
    given = Call("hand_over", {"to": "Bruno", "why": "Anna asks about ships."})
    async with Stage(
        tmp_path, stt=["Ada, what about ships"], llm=[[0.2, given], [0.3, "They float."]]
    ) as stage:
        ada = await stage.agent()
        bruno = await stage.agent("Bruno, a lighthouse keeper")
        await stage.person()
        await stage.media.hear("anna", 1.0)
        assert await stage.said(bruno) == "They float."
        (handoff,) = stage.of(Handoff)
        assert (handoff.participant_id, handoff.to_participant_id) == (ada.id, bruno.id)
        turns = {e.turn_id for e in stage.of(FloorGranted)}
        assert turns == {handoff.turn_id}
        measured = [e for e in stage.of(LatencyMeasured) if not e.cancelled]
        assert [e.participant_id for e in measured] == [bruno.id]
        assert measured[0].e2e_latency == pytest.approx(0.5 + 0.3, abs=0.05)  # from Anna's last word


async def test_two_that_want_to_be_rid_of_a_turn_do_not_go_on_for_ever(tmp_path: Path) -> None:
    away = [[Call("hand_over", {"to": name, "why": "Not me."})] for name in ("Bruno", "Ada")]
    async with Stage(tmp_path, stt=["Ada, what about ships"], llm=[*away, "Then I say it."]) as stage:
        ada = await stage.agent()
        await stage.agent("Bruno, a lighthouse keeper")
        await stage.person()
        await stage.media.hear("anna", 1.0)
        assert await stage.said(ada) == "Then I say it."
        assert len(stage.of(Handoff)) == 2


async def test_a_slow_tool_is_bridged_by_a_sentence(tmp_path: Path) -> None:
    async with Stage(tmp_path, stt=["when is high tide"], llm=[[Call("tide", {})], "At noon."]) as stage:
        ada = await stage.agent()

        @ada.tool
        async def tide() -> str:
            """The next high tide."""
            await asyncio.sleep(4)
            return "12:00"

        await stage.person()
        await stage.media.hear("anna", 1.0)
        heard = await stage.said(ada)
        filler, answer = stage.of(PlayoutSentence)
        assert heard == f"{filler.text} At noon."
        assert answer.text == "At noon."
        returned = stage.of(ToolReturned)[0]
        assert filler.t == pytest.approx(returned.t - 3, abs=0.1)


async def test_a_quick_tool_needs_no_bridge(tmp_path: Path) -> None:
    async with Stage(tmp_path, stt=["when is high tide"], llm=[[Call("tide", {})], "At noon."]) as stage:
        ada = await stage.agent()
        ada.tool(tide_now)
        await stage.person()
        await stage.media.hear("anna", 1.0)
        assert await stage.said(ada) == "At noon."


def tide_now() -> str:
    """The next high tide."""
    return "12:00"


async def test_no_tool_runs_for_a_question_that_goes_on(tmp_path: Path) -> None:
    ran: list[float] = []
    half = Hears("set an alarm for seven no eight", drafts=["set an alarm for seven"])
    script = [[Call("alarm", {"hour": 7})], [Call("alarm", {"hour": 8})], "Done."]
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
