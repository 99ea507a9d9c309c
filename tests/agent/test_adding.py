"""One agent answers a question to all, and another may add something or pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.stage import Stage
from voicebot.agent.agent import Agent
from voicebot.errors import ModelFailed
from voicebot.events import AddresseeDecided, ErrorEvent, LLMFinished, TranscriptFinal
from voicebot.testing.models import Step

pytestmark = pytest.mark.virtual_time


async def asked_both(stage: Stage) -> tuple[Agent, Agent]:
    """Anna has asked all agents. Ada has answered, and Bruno may add something."""
    ada = await stage.agent()
    bruno = await stage.agent("Bruno, a lighthouse keeper")
    await stage.person()
    await stage.person("tom", "Tom")
    stage.session.chat("anna", "What do you all think of the sea?")
    assert await stage.said(ada) == "The sea is grey."
    return ada, bruno


@pytest.mark.parametrize(("remark", "added"), [("And it is cold.", True), ("PASS", False), ("pass.", False)])
async def test_another_agent_may_add_to_an_answer(tmp_path: Path, remark: str, added: bool) -> None:
    async with Stage(tmp_path, llm=["The sea is grey.", remark, "It is noon."]) as stage:
        ada, bruno = await asked_both(stage)
        await stage.wait(LLMFinished, lambda e: e.participant_id == bruno.id)
        if added:
            assert await stage.said(bruno) == remark
        stage.session.chat("anna", "Ada, what time is it?")
        assert await stage.said(ada, 2) == "It is noon."
        assert len([e for e in stage.of(TranscriptFinal) if e.participant_id == bruno.id]) == added
        assert stage.of(AddresseeDecided)[0].participant_ids == [ada.id]


async def test_no_agent_adds_when_exchanges_between_agents_are_off(tmp_path: Path) -> None:
    async with Stage(tmp_path, llm=["The sea is grey.", "It is noon."], chain_cap=0) as stage:
        ada = await stage.agent()
        await stage.agent("Bruno, a lighthouse keeper")
        await stage.person()
        stage.session.chat("anna", "What do you all think of the sea?")
        assert await stage.said(ada) == "The sea is grey."
        stage.session.chat("anna", "Ada, what time is it?")
        assert await stage.said(ada, 2) == "It is noon."


async def test_an_agent_that_was_not_asked_does_not_apologise(tmp_path: Path) -> None:
    script: list[list[Step] | str] = ["The sea is grey.", [ModelFailed("down")], "It is noon."]
    async with Stage(tmp_path, llm=script) as stage:
        ada, bruno = await asked_both(stage)
        assert (await stage.wait(ErrorEvent)).participant_id == bruno.id
        stage.session.chat("anna", "Ada, what time is it?")
        assert await stage.said(ada, 2) == "It is noon."
        assert not [e for e in stage.of(TranscriptFinal) if e.participant_id == bruno.id]
