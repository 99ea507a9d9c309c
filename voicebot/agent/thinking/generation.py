"""Generate an agent's answer: one run of openai-agents with the persona's instructions and the memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from voicebot.agent.thinking.data import label
from voicebot.agent.thinking.guard import Guard, declined
from voicebot.agent.thinking.handover import HandoffRequest, HandOver
from voicebot.agent.thinking.instructions import RULES, instructions
from voicebot.agent.thinking.memory import Memory, Remembered
from voicebot.agent.thinking.surrogates import SurrogateRepairer, repair_surrogates
from voicebot.agent.tools.function_tools import ToolCall, ToolResult
from voicebot.errors import ModelError, ModelFailed, one_line
from voicebot.llm.base import LLM
from voicebot.llm.lines import RoomContext
from voicebot.persona import Persona

logger = logging.getLogger(__name__)

NOBODY_SPEAKS = "(Nobody speaks. Go on.)"

_imported: set[str] = set()
"""Modules that have been imported already, so that no thread is needed to import them."""


class Generation:
    """One answer of a language model: one run of openai-agents.

    Iterate `deltas()` once. After it, `tokens_in`, `tokens_out`, `handed` and `withheld` are known.

    Args:
        tools: The openai-agents tools that the model may call.
        timeout: Seconds that the model may be silent.
        people: Names of the people in the lobby.
        agents: Names of the other agents.
        to: Names of the people to answer; empty means whoever spoke last.
        draft: A transcript so far that is not in the memory yet, for a speculative answer.
        committed: No tool runs before it is set. None means that the turn is certain.
        handed: The hand-off by which the agent got this turn.
        adding: The agent was not asked. It may add a remark to another agent's answer, or pass.
        hand_over: Offers the tool to pass the turn on; None if the agent may not.
        tool_timeout: Seconds for tools without a limit of their own.
        on_tool: Called when a tool begins and when it ends; must not block or raise.
    """

    def __init__(
        self,
        persona: Persona,
        llm: LLM,
        memory: Memory,
        *,
        tools: Sequence[Any] = (),
        timeout: float,
        people: Sequence[str] = (),
        agents: Sequence[str] = (),
        to: Sequence[str] = (),
        draft: Remembered | None = None,
        committed: asyncio.Event | None = None,
        handed: HandoffRequest | None = None,
        hand_over: HandOver | None = None,
        adding: bool = False,
        tool_timeout: float = 20.0,
        on_tool: Callable[[ToolCall | ToolResult], None] = lambda report: None,
    ) -> None:
        self._persona, self._tools, self._llm, self._memory = persona, tools, llm, memory
        self._timeout, self._tool_timeout = timeout, tool_timeout
        here, others, asked = (tuple(label(name) for name in names) for names in (people, agents, to))
        self._room_context = RoomContext(here, others, asked, adding)
        self._draft, self._committed = draft, committed
        self._before, self._hand_over = handed, hand_over
        self._on_tool = on_tool
        self.tokens_in: int | None = None
        self.tokens_out: int | None = None
        self.withheld = False
        """Whether the model began to read out its instructions. Something else was said instead."""

    @property
    def handed(self) -> HandoffRequest | None:
        """The hand-off to another agent, if the model passed the turn on, perhaps without any text."""
        return self._hand_over.handed if self._hand_over is not None else None

    async def deltas(self) -> AsyncIterator[str]:
        """The text as the model writes it, without reasoning. Closing the iterator stops the model.

        A line break marks a tool call, so that what was written before it can be spoken meanwhile.

        Raises:
            ModelError: The model failed, or it or a tool took too long.
        """
        # a thread, because the import takes seconds on a busy machine if no backend has done it before
        if "agents" not in _imported:
            await asyncio.to_thread(import_module, "voicebot.agent.thinking.runner")
            _imported.add("agents")
        from voicebot.agent.thinking.runner import GenerationWatch, Overdue, start

        guard, written, fresh = Guard(RULES), SurrogateRepairer(), False
        watch = GenerationWatch(
            self._on_tool,
            guard,
            self._committed,
            timeout=self._timeout,
            tool_timeout=self._tool_timeout,
            stop=lambda: self.handed is not None,
        )
        try:
            offered = [self._hand_over.tool()] if self._hand_over is not None else []
            run = start(
                self._persona.name,
                instructions(self._persona),
                self._llm.model(),
                self._messages(),
                [*self._tools, *offered],
                watch,
            )
        except ModelError:
            raise
        except Exception as error:
            raise self._failed(error) from error
        events = run.stream_events()
        try:
            while not guard.tripped:
                try:
                    event = await watch.next(events)
                except Overdue:
                    raise self._overdue(watch.working) from None
                except ModelError:
                    raise
                except Exception as error:
                    raise self._failed(error) from error
                if event is None:
                    break
                text = ""
                if event.type == "run_item_stream_event" and event.item.type == "tool_call_item":
                    watch.asked(event.item)
                    text, fresh = "\n" if fresh else "", False
                elif event.type == "run_item_stream_event" and event.item.type == "tool_call_output_item":
                    watch.answered(event.item)
                elif event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                    text, fresh = written.push(event.data.delta), True
                if text and (text := guard.push(text)):
                    yield text
            if guard.tripped:
                self.withheld = True
                yield f" {declined(self._persona.language)}"
            elif rest := guard.push(written.finish()) + guard.finish():
                yield rest
            usage = run.context_wrapper.usage
            if usage.total_tokens:
                self.tokens_in, self.tokens_out = usage.input_tokens, usage.output_tokens
        finally:
            if not run.is_complete:
                run.cancel(mode="immediate")
            with suppress(Exception):
                await events.aclose()  # type: ignore[attr-defined]

    def _messages(self) -> list[dict[str, Any]]:
        """The memory with what this turn adds: the draft, and notes of the room."""
        notes, room = [], self._room_context
        if room.agents or room.answer or room.add or len(room.people) > 1:
            notes.append(room.row())
        if self._before is not None:
            notes.append(self._before.row())
        lines = self._memory.lines
        if self._draft is None and (not lines or lines[-1].speaker is None):
            notes.append(NOBODY_SPEAKS)
        return self._memory.messages(self._draft, notes)

    def _overdue(self, tools: Sequence[str]) -> ModelFailed:
        if tools:
            return ModelFailed(
                f"The tool {', '.join(tools)} does not return, and cannot be stopped.",
                hint="Pass the function itself to agent.tool, without function_tool from openai-agents.",
            )
        return ModelFailed(
            f"The language model {self._llm.name} wrote nothing for {self._timeout:g} s.",
            hint="Check whether its server is overloaded, or raise LLM_TIMEOUT.",
        )

    def _failed(self, error: Exception) -> ModelFailed:
        logger.debug("The language model failed", exc_info=error)
        return ModelFailed(
            f"The language model {self._llm.name} failed: {repair_surrogates(one_line(error))}.",
            hint="Ask again. If it keeps failing, look at the log of its server, or choose another model.",
        )
