from __future__ import annotations

from datetime import UTC, datetime

import pytest
from agents import Agent, RunConfig, Runner

from voicebot.errors import UnknownModel
from voicebot.llm.base import LLM
from voicebot.llm.offline import OfflineLLM
from voicebot.settings import Settings

QUESTION = "Anna: what is two plus two"


def agent(llm: LLM) -> Agent[None]:
    return Agent(name="Ada", instructions="You are Ada: a guide", model=llm.model())


async def test_it_runs_through_openai_agents_streamed_and_whole() -> None:
    llm = OfflineLLM(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    assert isinstance(llm, LLM)
    config = RunConfig(tracing_disabled=True)
    whole = await Runner.run(agent(llm), QUESTION, run_config=config)
    assert whole.final_output == "That makes 4."
    result = Runner.run_streamed(agent(llm), QUESTION, run_config=config)
    deltas = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    assert deltas == ["That ", "makes ", "4."]
    assert result.final_output == "That makes 4."


async def test_load_fails_with_an_explanation() -> None:
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    llm = await OfflineLLM.load("", settings)
    assert "offline" in llm.notice.lower()
    assert "not an AI model" in llm.notice
    await llm.aclose()
    with pytest.raises(UnknownModel):
        await OfflineLLM.load("gpt", settings)
