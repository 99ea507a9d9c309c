"""A conversation that is too long ends when nobody speaks, and the next one continues where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.stage import Stage
from voicebot.conversation.quota import OVERDUE
from voicebot.events import (
    ConversationEnded,
    ConversationStarted,
    ErrorEvent,
    ParticipantJoined,
    PlayoutFinished,
    PlayoutSentence,
    UserChat,
)
from voicebot.media.base import StartRecording

pytestmark = pytest.mark.virtual_time


async def test_a_renewal_lets_an_agent_finish_and_keeps_its_memory(tmp_path: Path) -> None:
    async with Stage(
        tmp_path,
        stt=["tell me about the sea", "and the land"],
        llm=["The sea is deep. It is full of fish and whales and ships.", "The land is dry."],
        conversation_events=100,
    ) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        await stage.wait(PlayoutSentence, lambda e: e.index == 0)
        first = stage.session.log
        assert first is not None
        while not first.full:
            first.emit(UserChat(participant_id="anna", text="hm"))
        assert not first.overdue
        await stage.said(ada)
        await stage.wait(ErrorEvent, lambda e: e.code == "conversation_full")
        second = stage.session.log
        assert second is not None
        assert second is not first
        (finished,) = stage.of(PlayoutFinished)
        assert finished.conversation_id == first.conversation_id
        assert finished.heard_text == "The sea is deep. It is full of fish and whales and ships."
        await stage.media.hear("anna", 1.0, after=1.0)
        assert await stage.said(ada, 2) == "The land is dry."
        assert [line.text for line in stage.llm.calls[1].lines] == [
            "tell me about the sea",
            "The sea is deep. It is full of fish and whales and ships.",
            "and the land",
        ]
        (ended,) = stage.of(ConversationEnded)
        assert ended.conversation_id == first.conversation_id
        assert "CONVERSATION_EVENTS" in ended.reason
        assert first.events[-1] == ended
        assert len(stage.of(ConversationStarted)) == 2
        there = [e.name for e in second.events if isinstance(e, ParticipantJoined)]
        assert sorted(there) == ["Ada", "Anna"]
        recorded = {c.path.parent.parent for c in stage.media.commanded(StartRecording)}
        assert recorded == {first.folder, second.folder}


async def test_a_renewal_does_not_wait_forever_for_silence(tmp_path: Path) -> None:
    async with Stage(
        tmp_path,
        stt=["tell me about the sea"],
        llm=["The sea is deep. It is full of fish and whales and ships and treasure."],
        conversation_events=100,
    ) as stage:
        await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        await stage.wait(PlayoutSentence, lambda e: e.index == 0)
        first = stage.session.log
        assert first is not None
        while not first.overdue:
            first.emit(UserChat(participant_id="anna", text="hm"))
        assert len(first.events) == OVERDUE * 100
        await stage.wait(ConversationEnded)
        assert stage.session.log is not first
        assert stage.session.active
