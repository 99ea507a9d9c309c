"""Agents whose language model is on a real HTTP server, which fails in every way."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from agents import function_tool

import voicebot.llm.models  # noqa: F401  (seconds of real time that virtual time need not wait for)
from tests.agent.stage import Stage
from voicebot.errors import ModelLoadError
from voicebot.events import (
    ErrorEvent,
    LLMFinished,
    LLMStarted,
    ModelSwapped,
    PersonaCreated,
    PlayoutStarted,
    ToolCalled,
    ToolReturned,
)
from voicebot.llm.openai import OpenAILLM
from voicebot.testing.openai_server import Fail, Hang, OpenAIServer, Say, Step

pytestmark = pytest.mark.virtual_time(io_grace=0.02)


async def ask(stage: Stage, server: OpenAIServer, questions: int = 1) -> list[str]:
    """Ask a number of questions; returns what was heard of each answer."""
    settings = stage.settings.model_copy(update={"openai_base_url": server.url, "openai_model": "test"})
    llm = await OpenAILLM.load("", settings)
    stage.models._loaded["llm", llm.name] = llm
    await stage.models.swap("llm", llm.name)
    ada = await stage.agent()
    await stage.person()
    heard = []
    for number in range(questions):
        await stage.media.hear("anna", 1.0)
        heard.append(await stage.said(ada, number + 1))
    return heard


@pytest.mark.parametrize(
    ("step", "expected", "why"),
    [
        (Fail(401), "cannot think", "OPENAI_API_KEY"),
        (Fail(500), "cannot think", "500"),
        (Say("The sea is deep. It is also wide.", drop_after=5), "The sea is deep. Sorry, I lost", "server"),
        (
            Say("The sea is deep. It is also wide.", error_after=5),
            "The sea is deep. Sorry, I lost",
            "crashed",
        ),
        (Hang(), "cannot think", "LLM_TIMEOUT"),
    ],
)
async def test_an_apology_is_spoken_and_the_next_turn_works(
    tmp_path: Path, step: Step, expected: str, why: str
) -> None:
    async with OpenAIServer([step, "Here I am again."]) as server:
        async with Stage(tmp_path, stt=["one", "two"], llm_retries=0, llm_timeout=5.0) as stage:
            first, second = await ask(stage, server, 2)
            assert first.startswith(expected) or expected in first
            assert second == "Here I am again."
            (error,) = stage.of(ErrorEvent)
            assert why in error.message
            assert error.turn_id == stage.of(LLMStarted)[0].turn_id
            assert len(stage.of(PlayoutStarted)) == 2
        await stage.models.aclose()


async def test_a_model_without_a_server_cannot_be_swapped_in_for_an_agent(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        gone = server.url
    async with Stage(tmp_path, openai_base_url=gone) as stage:
        ada = await stage.agent()
        await stage.person()
        with pytest.raises(ModelLoadError, match="cannot be reached"):
            await stage.session.swap(ada.id, "llm", "openai:test")
        assert ada.llm is None
        assert not stage.of(ModelSwapped)
        await stage.models.aclose()


async def test_reasoning_is_not_spoken_and_tokens_are_counted(tmp_path: Path) -> None:
    answer = Say("It rains.", reasoning=["They ask about ", "SECRET weather."], usage=(21, 3))
    async with OpenAIServer([answer]) as server:
        async with Stage(tmp_path, stt=["one"]) as stage:
            assert await ask(stage, server) == ["It rains."]
            finished = stage.of(LLMFinished)[0]
            assert (finished.tokens_in, finished.tokens_out) == (21, 3)
            assert "SECRET" not in finished.text
            question = server.requests[0]["messages"]
            assert question[0]["role"] == "system"
            assert question[1] == {"role": "user", "content": "Anna: one"}
        await stage.models.aclose()


async def test_an_interruption_stops_the_request(tmp_path: Path) -> None:
    gate = asyncio.Event()
    slow = Say("The sea is deep. And more of it.", gates={5: gate})
    async with OpenAIServer([slow, "Yes?"]) as server:
        async with Stage(tmp_path, stt=["one", "stop"]) as stage:
            asking = asyncio.create_task(ask(stage, server))
            await stage.wait(PlayoutStarted)
            await stage.media.hear("anna", 1.0)
            await asking
            (ada,) = stage.session.agents.values()
            assert await stage.said(ada, 2) == "Yes?"
            gate.set()
        await stage.models.aclose()
    assert server.cancelled == 1


async def test_tool_calls_and_results_are_logged(tmp_path: Path) -> None:
    asked: list[str] = []

    @function_tool
    def tide(harbour: str) -> str:
        """The tide in a harbour."""
        asked.append(harbour)
        return f"low tide in {harbour}"

    call = Say("", tool_calls=[("tide", {"harbour": "Brest"})])
    async with OpenAIServer([call, "The tide is low."]) as server:
        async with Stage(tmp_path, stt=["one"]) as stage:
            asking = asyncio.create_task(ask(stage, server))
            spawned = await stage.wait(PersonaCreated)
            stage.session.agents[str(spawned.participant_id)].tools = [tide]
            assert await asking == ["The tide is low."]
            (called,), (returned,) = stage.of(ToolCalled), stage.of(ToolReturned)
            assert asked == ["Brest"]
            assert (called.name, json.loads(called.arguments)) == ("tide", {"harbour": "Brest"})
            assert (returned.name, returned.result) == ("tide", "low tide in Brest")
            (started,) = stage.of(LLMStarted)
            assert (called.cause_seq, returned.cause_seq) == (started.seq, called.seq)
            assert called.turn_id == returned.turn_id == started.turn_id
        await stage.models.aclose()
