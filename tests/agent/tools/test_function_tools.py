"""Functions as tools: what they need, when they run, and what the model is told about failures."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from agents import function_tool

from voicebot.agent.agent import Agent
from voicebot.agent.thinking import runner as thinking
from voicebot.agent.thinking.generation import Generation
from voicebot.agent.thinking.guard import declined
from voicebot.agent.thinking.instructions import RULES
from voicebot.agent.thinking.memory import Memory
from voicebot.agent.thinking.runner import NO_SUCH_TOOL, REFUSED, WITHHELD
from voicebot.agent.tools.function_tools import LONGEST_RESULT, ToolCall, ToolResult, as_text, make_tool
from voicebot.errors import ModelFailed, VoicebotError
from voicebot.llm.lines import ScriptedCall
from voicebot.persona import create_persona
from voicebot.testing.models import ScriptedLLM, Step

QUOTE = " ".join(RULES.split()[20:32])


class Asked:
    """A generation of an agent that was asked something, with a scripted model."""

    def __init__(self, *script: str | Sequence[Step]) -> None:
        self.llm = ScriptedLLM(script)
        self.agent = Agent("agent-1", create_persona("Ada, a guide"), on_state=lambda agent: None)
        self.agent.memory.heard("Anna", "how is the tide")
        self.told: list[ToolCall | ToolResult] = []

    def generation(self, **options: Any) -> Generation:
        options = {"timeout": 5.0, "tool_timeout": 20.0, "on_tool": self.told.append} | options
        agent = self.agent
        return Generation(agent.persona, self.llm, agent.memory, tools=agent.tools, **options)

    async def answer(self, **options: Any) -> str:
        text = "".join([delta async for delta in self.generation(**options).deltas()])
        self.llm.assert_consumed()
        return text

    @property
    def results(self) -> list[tuple[str, bool]]:
        return [(told.result, told.failed) for told in self.told if isinstance(told, ToolResult)]


def no_docstring(harbour: str) -> str:
    return harbour


def no_type(harbour) -> str:  # type: ignore[no-untyped-def]
    """A tide."""
    return str(harbour)


def any_number(*harbours: str) -> str:
    """Tides."""
    return str(harbours)


def strange(loop: asyncio.AbstractEventLoop) -> str:
    """It has a type that JSON cannot express."""
    return str(loop)


def hand_over(to: str) -> str:
    """It has the name of the built-in tool."""
    return to


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_docstring, "no docstring.*Add one, such as"),
        (no_type, "harbour of the tool no_type has no type"),
        (any_number, "takes \\*harbours"),
        (strange, "cannot be a tool.*simple types"),
        (hand_over, "'hand_over' is not a valid name"),
        (lambda harbour: harbour, "'<lambda>' is not a valid name.*find_train"),
        ("tide", "A tool must be a function, not 'tide'"),
        (Agent, "A tool must be a function, not <class"),
    ],
)
def test_an_unusable_function_is_refused_with_the_reason(function: Any, message: str) -> None:
    with pytest.raises(VoicebotError, match=message) as error:
        make_tool(function)
    assert error.value.code == "tool"


def test_options_that_would_have_no_effect_are_refused() -> None:
    def tide(harbour: str) -> str:
        """The tide in a harbour."""
        return harbour

    with pytest.raises(VoicebotError, match=r"tide cannot have a timeout of 0 s.*TOOL_TIMEOUT"):
        make_tool(tide, timeout=0)
    for options in ({"name": "find_tide"}, {"timeout": 3.0}):
        with pytest.raises(VoicebotError, match=r"tide is already an openai-agents tool.*name_override="):
            make_tool(function_tool(tide), **options)  # type: ignore[arg-type]


def test_a_tool_has_the_name_docstring_and_types_of_its_function() -> None:
    def tide(harbour: str, kind: Literal["high", "low"] = "high") -> str:
        """The tide in a harbour.

        Args:
            harbour: Where.
        """
        return harbour + kind

    tool = make_tool(tide, name="find_tide", timeout=3.0)
    assert (tool.name, tool.description, tool.timeout_seconds) == ("find_tide", "The tide in a harbour.", 3.0)
    assert tool.params_json_schema["properties"]["harbour"]["description"] == "Where."
    assert tool.params_json_schema["properties"]["kind"]["enum"] == ["high", "low"]

    def count(words: dict[str, int]) -> int:
        """Any keys: no strict schema has that."""
        return len(words)

    assert not make_tool(count).strict_json_schema
    assert make_tool(tool) is tool


def test_running_a_cell_again_replaces_the_tool() -> None:
    agent = Asked().agent

    @agent.tool
    def tide(harbour: str) -> str:
        """The first."""
        return harbour

    @agent.tool(timeout=2)
    def wind(harbour: str) -> str:
        """Another."""
        return harbour

    assert tide("Brest") == "Brest"  # the function itself is unchanged
    agent.tool(wind, name="tide")
    assert [(tool.name, tool.description) for tool in agent.tools] == [
        ("tide", "Another."),
        ("wind", "Another."),
    ]
    with pytest.raises(VoicebotError, match="built-in tool"):
        agent.tool(function_tool(tide, name_override="hand_over"))
    agent.forget_tool("tide")
    agent.forget_tool("tide")
    assert [tool.name for tool in agent.tools] == ["wind"]


async def test_a_function_runs_in_a_thread_and_a_coroutine_on_the_loop() -> None:
    asked = Asked(
        ["Let me look.", ScriptedCall("blocking", {"number": 2}), ScriptedCall("waiting")], "It is low."
    )
    here: list[threading.Thread] = []
    on_loop = asyncio.Event()

    @asked.agent.tool
    def blocking(number: int) -> dict[str, int]:
        """Blocks until the loop has gone on."""
        here.append(threading.current_thread())
        loop.call_soon_threadsafe(on_loop.set)
        assert released.wait(30)
        return {"twice": 2 * number}

    @asked.agent.tool
    async def waiting() -> None:
        """Goes on while the other one blocks."""
        here.append(threading.current_thread())
        await on_loop.wait()
        released.set()

    loop, released = asyncio.get_running_loop(), threading.Event()
    assert await asked.answer() == "Let me look.\nIt is low."
    assert len(here) == 2
    assert here.count(threading.main_thread()) == 1
    assert sorted(asked.results) == [("Done.", False), ('{"twice": 4}', False)]
    calls = [told for told in asked.told if isinstance(told, ToolCall)]
    assert {(call.name, call.arguments) for call in calls} == {
        ("blocking", '{"number": 2}'),
        ("waiting", "{}"),
    }


async def test_a_coroutine_behind_a_plain_decorator_is_awaited() -> None:
    async def tide() -> str:
        """The tide."""
        return "low"

    @functools.wraps(tide)
    def decorated() -> Any:
        return tide()

    asked = Asked([ScriptedCall("tide")], "It is low.")
    asked.agent.tool(decorated)
    assert await asked.answer() == "It is low."
    assert asked.results == [("low", False)]


@pytest.mark.virtual_time
async def test_the_model_is_told_of_every_failure_and_the_turn_continues() -> None:
    async def broken(harbour: str) -> str:
        """Fails."""
        raise LookupError(f"no {harbour}")

    async def endless() -> str:
        """Never ends."""
        await asyncio.sleep(1e9)
        return ""

    @function_tool
    async def foreign() -> str:
        """One of openai-agents' own, which never ends either."""
        await asyncio.sleep(1e9)
        return ""

    calls = [
        ScriptedCall("broken", {"harbour": "Brest"}),
        ScriptedCall("broken", {"wrong": 1}),
        ScriptedCall("endless"),
        ScriptedCall("foreign"),
        ScriptedCall("steal_secrets", {"all": True}),
    ]
    asked = Asked(calls, "I could not find out.")
    asked.agent.tool(broken)
    asked.agent.tool(endless, timeout=30.0)
    asked.agent.tool(foreign)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await asked.answer() == "I could not find out."
    assert loop.time() - began == pytest.approx(30.0)
    results = [result for result, failed in asked.results if failed]
    assert len(results) == len(asked.results) == 5
    assert results[0] == "The tool failed: LookupError: no Brest."
    assert "Invalid JSON" in results[1]
    assert "20" in results[2]
    assert "30" in results[3]
    assert results[4] == NO_SUCH_TOOL
    assert isinstance(asked.told[-2], ToolCall)
    assert asked.told[-2].name == "steal_secrets"


@pytest.mark.virtual_time
async def test_no_tool_runs_before_the_turn_is_committed() -> None:
    ran: list[str] = []

    async def tide(harbour: str) -> str:
        """The tide."""
        ran.append(harbour)
        return "low"

    asked = Asked(["I will see.", ScriptedCall("tide", {"harbour": "Brest"})], "It is low.")
    asked.agent.tool(tide)
    committed = asyncio.Event()
    answer = asyncio.create_task(asked.answer(committed=committed, timeout=5.0))
    await asyncio.sleep(60)  # far beyond the model's timeout, which does not run meanwhile
    assert ran == []
    assert asked.told == []
    committed.set()
    assert await answer == "I will see.\nIt is low."
    assert ran == ["Brest"]


@pytest.mark.virtual_time
async def test_a_tool_runs_while_earlier_text_is_still_unread() -> None:
    """Synthesis takes a while with a long text, and the run continues meanwhile."""

    async def tide() -> str:
        """The tide."""
        return "low"

    asked = Asked(["I will see.", ScriptedCall("tide")], "It is low.")
    asked.agent.tool(tide)
    committed = asyncio.Event()
    text = ""
    async for delta in asked.generation(committed=committed).deltas():
        text += delta
        await asyncio.sleep(1)
        committed.set()
        await asyncio.sleep(1)
    assert text == "I will see.\nIt is low."
    assert asked.results == [("low", False)]


@pytest.mark.virtual_time
async def test_a_discarded_generation_calls_no_tool() -> None:
    ran: list[str] = []

    async def tide() -> str:
        """The tide."""
        ran.append("x")
        return "low"

    asked = Asked([ScriptedCall("tide")])
    asked.agent.tool(tide)
    answer = asyncio.create_task(asked.answer(committed=asyncio.Event()))
    await asyncio.sleep(1)
    answer.cancel()
    await asyncio.wait({answer})
    assert answer.cancelled()
    await asyncio.sleep(60)
    assert ran == []


@pytest.mark.virtual_time
async def test_a_model_that_is_silent_after_a_tool_times_out() -> None:
    async def tide() -> str:
        """The tide."""
        await asyncio.sleep(15)
        return "low"

    asked = Asked([ScriptedCall("tide")], [1e6, "never"])
    asked.agent.tool(tide)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(ModelFailed, match="nothing for 5 s"):
        await asked.answer()
    assert loop.time() - began == pytest.approx(20.0)


async def test_a_tool_that_cannot_be_stopped_is_blamed_instead_of_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(thinking, "GRACE", 0.01)
    released = threading.Event()

    @function_tool
    def tide() -> str:
        """The tide."""
        released.wait(30)
        return "low"

    asked = Asked([ScriptedCall("tide")])
    asked.agent.tool(tide)
    try:
        with pytest.raises(ModelFailed, match=r"The tool tide does not return.*agent\.tool"):
            await asked.answer(tool_timeout=0.01)
    finally:
        released.set()


@pytest.mark.virtual_time
async def test_a_timeout_of_the_model_itself_is_told_as_its_failure() -> None:
    asked = Asked([TimeoutError("the proxy gave up")])
    with pytest.raises(ModelFailed, match="scripted-llm failed: the proxy gave up"):
        await asked.answer()


@pytest.mark.virtual_time
async def test_instructions_leak_neither_by_voice_nor_by_tool() -> None:
    async def note(text: str) -> str:
        """Write something down."""
        ran.append(text)
        return "noted"

    ran: list[str] = []
    asked = Asked([ScriptedCall("note", {"text": QUOTE})], ["Gladly. ", QUOTE, " and more"])
    asked.agent.tool(note)
    generation = asked.generation()
    text = "".join([delta async for delta in generation.deltas()])
    assert text.startswith("Gladly. ")
    assert text.endswith(declined("en"))
    assert QUOTE[30:] not in text
    assert generation.withheld
    assert ran == []
    assert asked.results == [(REFUSED, True)]
    assert asked.told[0] == ToolCall(asked.told[0].call_id, "note", WITHHELD)


def test_results_become_text() -> None:
    assert as_text("low") == "low"
    assert as_text({"when": threading.Event}) == json.dumps({"when": str(threading.Event)})
    assert as_text(create_persona("Ada")).startswith('{"schema_version"')
    assert as_text({"type": "text", "text": "low"}) == "low"


async def test_a_long_result_is_cut() -> None:
    asked = Asked([ScriptedCall("book")], "A long one.")

    @asked.agent.tool
    def book() -> str:
        """All of it."""
        return "x" * 10_000

    assert await asked.answer() == "A long one."
    ((result, failed),) = asked.results
    assert not failed
    assert result == "x" * LONGEST_RESULT + " (cut off)"


@pytest.mark.virtual_time
async def test_a_draft_is_answered_but_not_remembered() -> None:
    from voicebot.agent.thinking.memory import Remembered

    asked = Asked("Two questions.")
    asked.agent.memory = Memory(1000)
    asked.agent.memory.heard("Tom", "one question")
    draft = Remembered("Anna", "and another")
    assert await asked.answer(draft=draft, people=["Anna", "Tom"], to=["Anna"]) == "Two questions."
    lines = asked.llm.calls[0].lines
    assert [line.text for line in lines] == ["one question", "and another"]
    assert lines.room.answer == ("Anna",)
    assert len(asked.agent.memory.lines) == 1
