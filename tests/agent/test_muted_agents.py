"""A muted agent hears and remembers but never speaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.stage import Stage
from voicebot.errors import VoicebotError
from voicebot.events import (
    FloorDenied,
    LLMStarted,
    ParticipantUpdateEvent,
    PlayoutInterrupted,
    PlayoutStarted,
    TranscriptFinal,
)
from voicebot.turn.floor import Denial


async def test_a_muted_agent_remembers_but_does_not_answer(tmp_path: Path) -> None:
    async with Stage(tmp_path, llm=["It is about the weather."]) as stage:
        agent = await stage.agent()
        await stage.person()
        stage.session.mute(agent.id)
        assert stage.lobby.participants[agent.id].muted is True
        (told,) = stage.of(ParticipantUpdateEvent)
        assert (told.participant_id, told.changes) == (agent.id, {"muted": True})
        stage.session.chat("anna", "Ada, I like the north wind.")
        denied = await stage.wait(FloorDenied)
        assert (denied.participant_id, denied.reason) == (agent.id, Denial.MUTED.value)
        assert stage.of(LLMStarted) == []
        stage.session.mute(agent.id, False)
        stage.session.chat("anna", "What do I like?")
        assert await stage.said(agent) == "It is about the weather."
        assert "north wind" in str(stage.llm.calls[-1])


async def test_muting_interrupts_an_agent_which_remembers_what_was_heard(tmp_path: Path) -> None:
    answer = "One is the first. Two is the second. Three is the third. Four is the last of them all."
    async with Stage(tmp_path, llm=[answer, "Fine."]) as stage:
        agent = await stage.agent()
        await stage.person()
        stage.session.chat("anna", "Count.")
        await stage.wait(PlayoutStarted)
        stage.session.mute(agent.id)
        cut = await stage.wait(PlayoutInterrupted)
        assert cut.heard_text != answer
        final = await stage.wait(TranscriptFinal, lambda e: e.participant_id == agent.id)
        assert (final.text, final.interrupted) == (cut.heard_text, True)
        assert answer.startswith(cut.heard_text.rstrip(".…- "))
        stage.session.mute(agent.id, False)
        stage.session.chat("anna", "Go on.")
        assert await stage.said(agent, 2) == "Fine."
        assert "Four is the last" not in str(stage.llm.calls[-1])


async def test_other_agents_answer_for_a_muted_agent_unless_it_is_named(tmp_path: Path) -> None:
    async with Stage(tmp_path, llm=["I am here."]) as stage:
        ada = await stage.agent("Ada, a guide")
        berta = await stage.agent("Berta, a baker")
        await stage.person()
        stage.session.mute(ada.id)
        stage.session.chat("anna", "Ada, are you there?")
        denied = await stage.wait(FloorDenied)
        assert denied.participant_id == ada.id
        stage.session.chat("anna", "Who is there then?")
        assert await stage.said(berta) == "I am here."
        assert [e.participant_id for e in stage.of(LLMStarted)] == [berta.id]


async def test_a_muted_agent_greets_nobody(tmp_path: Path) -> None:
    async with Stage(tmp_path) as stage:
        ada = await stage.agent("Ada, a guide", greeting="Hello from Ada.")
        berta = await stage.agent("Berta, a baker", greeting="Hello from Berta.")
        stage.session.mute(ada.id)
        await stage.person()
        assert await stage.said(berta) == "Hello from Berta."
        assert [e.participant_id for e in stage.of(PlayoutStarted)] == [berta.id]


async def test_a_muted_agent_is_restored_muted_with_its_id(tmp_path: Path) -> None:
    async with Stage(tmp_path) as stage:
        agent = await stage.agent()
        stage.session.mute(agent.id)
        (record,) = stage.session.agent_records()
        await stage.session.remove(agent.id)
        again = await stage.session.restore(record)
        assert (again.id, again.persona, again.muted) == (agent.id, agent.persona, True)
        assert stage.lobby.participants[agent.id].muted is True
        assert stage.session.agent_records() == [record]


async def test_only_agents_of_this_lobby_can_be_muted(tmp_path: Path) -> None:
    async with Stage(tmp_path) as stage:
        with pytest.raises(VoicebotError) as caught:
            stage.session.mute("agent-x")
        assert caught.value.code == "not_joined"
