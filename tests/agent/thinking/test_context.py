"""Long conversations are summarised in the background, without delaying a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from voicebot.agent.agent import Agent
from voicebot.agent.models.models import Models
from voicebot.agent.thinking.context import HIGH, MINUTES, PATIENCE, RETRY, ContextKeeper
from voicebot.agent.thinking.generation import Generation
from voicebot.agent.thinking.memory import Memory
from voicebot.errors import ModelFailed
from voicebot.events import ContextSummarised, ErrorEvent, Event
from voicebot.llm.base import LLM
from voicebot.llm.lines import ChatLine
from voicebot.llm.offline import OfflineLLM
from voicebot.persona import create_persona
from voicebot.settings import Settings
from voicebot.testing.models import ScriptedLLM, ScriptedSTT, ScriptedTTS, Step

pytestmark = pytest.mark.virtual_time

BUDGET = 600


class Talk:
    """One agent in a long conversation."""

    def __init__(self, tmp_path: Path, llm: LLM) -> None:
        self.llm = llm
        settings = Settings(_env_file=None, data_dir=tmp_path)  # type: ignore[call-arg]
        models = Models(settings, stt=ScriptedSTT(), tts=ScriptedTTS(), llm=llm)
        self.agent = Agent("agent-1", create_persona("Ada, a guide"), on_state=lambda agent: None)
        self.agent.memory = Memory(BUDGET)
        self.events: list[Event] = []
        self.keeper = ContextKeeper(
            {self.agent.id: self.agent}, models, self._emit, asyncio.get_running_loop().time
        )
        self.numbers = 0

    def _emit(self, event: Event) -> Event:
        self.events.append(event)
        return event

    def goes_on(self, until: float = HIGH) -> None:
        """Let people talk until the memory exceeds this share of its budget."""
        memory = self.agent.memory
        while memory.tokens <= until * BUDGET:
            self.numbers += 1
            memory.heard("Anna", f"My boat number {self.numbers} is blue and leaves tomorrow.")
            memory.said(f"Boat {self.numbers} it is.")

    async def summarised(self) -> None:
        """Wait until all summaries are written."""
        self.keeper.consider()
        tasks = [state.task for state in self.keeper._states.values() if state.task is not None]
        assert tasks
        await asyncio.wait(tasks)

    async def answer(self) -> str:
        self.agent.memory.heard("Tom", "and what now")
        persona = self.agent.persona
        generation = Generation(persona, self.llm, self.agent.memory, timeout=5)
        return "".join([delta async for delta in generation.deltas()])


def scripted(*script: str | Sequence[Step]) -> ScriptedLLM:
    return ScriptedLLM(list(script))


async def test_a_summary_replaces_the_oldest_lines(tmp_path: Path) -> None:
    llm = scripted("<think>hm</think>Anna said that she has many boats.", "Well.")
    talk = Talk(tmp_path, llm)
    talk.goes_on()
    before, newest = talk.agent.memory.tokens, talk.agent.memory.lines[-1]
    await talk.summarised()
    memory = talk.agent.memory
    assert memory.summary == "Anna said that she has many boats."
    assert memory.lines[-1] is newest
    (event,) = talk.events
    assert isinstance(event, ContextSummarised)
    assert (event.participant_id, event.tokens_before, event.tokens_after) == (
        talk.agent.id, before, memory.tokens,
    )  # fmt: skip
    assert memory.tokens < 0.5 * BUDGET
    asked = llm.calls[0]
    assert asked.instructions == MINUTES
    assert len(asked.lines) == event.lines
    assert asked.lines[:2] == [
        ChatLine("Anna", "My boat number 1 is blue and leaves tomorrow."),
        ChatLine("Ada", "Boat 1 it is."),  # its own words are part of the record
    ]
    assert await talk.answer() == "Well."
    talk.keeper.consider()  # the memory is small again
    assert talk.keeper._states[memory].task is None
    llm.assert_consumed()


async def test_a_turn_does_not_wait_for_a_summary_and_gets_the_newest_lines(tmp_path: Path) -> None:
    never = asyncio.Event()
    llm = scripted([never, "Too late."], "Here is the answer.")
    talk = Talk(tmp_path, llm)
    talk.goes_on(until=3.0)  # far beyond the budget
    talk.keeper.consider()
    await asyncio.sleep(1)
    assert llm.calls
    assert await talk.answer() == "Here is the answer."
    given = llm.calls[1].lines
    assert given[-1] == ChatLine("Tom", "and what now")
    assert ChatLine("", f"Boat {talk.numbers} it is.") in given
    assert ChatLine("", "Boat 1 it is.") not in given
    assert talk.agent.memory.lines[0].text.startswith("My boat number 1 ")  # nothing is lost
    assert talk.agent.memory.summary == ""
    await talk.keeper.aclose()
    assert talk.events == []


async def test_lines_added_while_a_summary_is_written_are_kept(tmp_path: Path) -> None:
    gate = asyncio.Event()
    talk = Talk(tmp_path, scripted([gate, "Boats."]))
    talk.goes_on()
    talk.keeper.consider()
    talk.agent.memory.heard("Tom", "something new")
    gate.set()
    await talk.summarised()
    assert talk.agent.memory.summary == "Boats."
    assert talk.agent.memory.lines[-1].text == "something new"


async def test_a_failed_summary_is_reported_once_and_retried(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    dead: list[Step] = [ModelFailed("its server is gone")]
    llm = scripted(dead, [10_000.0, "x"], " ", "They spoke of boats.")
    talk = Talk(tmp_path, llm)
    talk.goes_on()
    lines = list(talk.agent.memory.lines)
    for wait in (*RETRY, RETRY[-1]):
        talk.keeper.consider()
        talk.keeper.consider()
        began = loop.time()
        while (state := talk.keeper._states[talk.agent.memory]).task is not None:
            await asyncio.wait({state.task})
        assert loop.time() - began <= PATIENCE
        if talk.agent.memory.summary:
            break
        assert talk.agent.memory.lines == lines
        talk.keeper.consider()  # too early
        assert talk.keeper._states[talk.agent.memory].task is None
        await asyncio.sleep(wait)
    assert talk.agent.memory.summary == "They spoke of boats."
    errors = [event for event in talk.events if isinstance(event, ErrorEvent)]
    assert [(e.code, e.retryable) for e in errors] == [("summary", True)]
    assert "its server is gone" in errors[0].message
    llm.assert_consumed()


async def test_a_very_large_memory_is_summarised_in_parts(tmp_path: Path) -> None:
    talk = Talk(tmp_path, scripted(*(f"Part {number}." for number in range(4))))
    talk.goes_on(until=3.5)
    await talk.summarised()
    done = [event for event in talk.events if isinstance(event, ContextSummarised)]
    assert len(done) == 4
    assert talk.agent.memory.tokens <= HIGH * BUDGET
    assert isinstance(talk.llm, ScriptedLLM)
    assert len(talk.llm.calls[0].lines) == done[0].lines


async def test_without_a_language_model_people_are_quoted(tmp_path: Path) -> None:
    talk = Talk(tmp_path, OfflineLLM())
    talk.goes_on()
    await talk.summarised()
    assert talk.agent.memory.summary.startswith('Anna said: "My boat number ')
    assert talk.agent.memory.tokens <= HIGH * BUDGET
    assert isinstance(talk.events[0], ContextSummarised)


async def test_a_memory_without_a_budget_is_not_summarised(tmp_path: Path) -> None:
    talk = Talk(tmp_path, scripted())
    talk.goes_on(until=2.0)
    talk.agent.memory.budget = None
    talk.keeper.consider()
    assert talk.keeper._states == {}
