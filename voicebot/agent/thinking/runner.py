"""What `Generation` needs of openai-agents. Import it lazily: that takes seconds on a busy machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from agents import (
    Agent,
    FunctionTool,
    ModelSettings,
    RunConfig,
    RunHooks,
    Runner,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolInputGuardrailData,
    ToolOutputGuardrail,
    ToolOutputGuardrailData,
)
from agents.agent import ToolsToFinalOutputResult
from agents.models.interface import Model
from agents.result import RunResultStreaming
from agents.run_config import ToolErrorFormatterArgs
from agents.stream_events import StreamEvent

from voicebot.agent.thinking.guard import Guard
from voicebot.agent.thinking.surrogates import repair_surrogates
from voicebot.agent.tools.function_tools import (
    LONGEST_RESULT,
    Failure,
    ToolCall,
    ToolResult,
    as_text,
    failure_of,
)
from voicebot.errors import one_line

WITHHELD = '"(withheld: it quotes the instructions)"'
REFUSED = "Refused: that quotes your instructions."
NO_SUCH_TOOL = "You have no such tool. Answer without it."
GRACE = 1.0
"""Seconds after a tool's own timeout until the run is given up, so that the timeout comes first."""


class Overdue(Exception):
    """The model or a tool took too long. A timeout of their own is another error: a TimeoutError."""


class GenerationWatch(RunHooks[None]):
    """Follows the tools of one run: holds them until the turn is committed and reports each begin and end.

    It also limits the wait for the run's next event: to the model's timeout, or to that of the tools that are
    running. There is no limit while a tool waits for the turn to be committed.
    """

    def __init__(
        self,
        on_tool: Callable[[ToolCall | ToolResult], None],
        guard: Guard,
        committed: asyncio.Event | None,
        *,
        timeout: float,
        tool_timeout: float,
        stop: Callable[[], bool],
    ) -> None:
        self._on_tool, self._guard, self._committed, self._stop = on_tool, guard, committed, stop
        self._timeout, self._tool_timeout = timeout, tool_timeout
        self._waiting = 0
        self._running: dict[str, tuple[str, float]] = {}
        """By call id, the tool's name and the seconds that it may take."""
        self._asked: dict[str, tuple[str, str]] = {}
        self._ended: set[str] = set()
        self._limit: asyncio.Timeout | None = None
        """Set while `next` waits for an event."""

    async def next(self, events: AsyncIterator[StreamEvent]) -> StreamEvent | None:
        """The run's next event; None after the last. Raises Overdue, or what ended the run."""
        limit = self._limit = asyncio.timeout(self._patience)
        try:
            async with limit:
                return await anext(events, None)
        except TimeoutError:
            if limit.expired():
                raise Overdue from None
            raise
        finally:
            self._limit = None

    @property
    def working(self) -> list[str]:
        """The names of the tools that are running."""
        return [name for name, _ in self._running.values()]

    @property
    def _patience(self) -> float | None:
        """Seconds until the next event must come; None for no limit."""
        if self._waiting:
            return None
        longest = max((seconds for _, seconds in self._running.values()), default=None)
        return self._timeout if longest is None else longest + GRACE

    def guarded(self, tool: Any) -> Any:
        """Wrap a tool: it waits for the turn to be committed, its result is cut, and it has a timeout."""
        if not isinstance(tool, FunctionTool):
            return tool
        gate: ToolInputGuardrail[Any] = ToolInputGuardrail(self._gate, "committed")
        cut: ToolOutputGuardrail[Any] = ToolOutputGuardrail(_shortened, "not too long")
        tool = replace(
            tool,
            tool_input_guardrails=[gate, *(tool.tool_input_guardrails or ())],
            tool_output_guardrails=[*(tool.tool_output_guardrails or ()), cut],
        )
        try:
            return replace(
                tool,
                timeout_seconds=tool.timeout_seconds or self._tool_timeout,
                timeout_error_function=tool.timeout_error_function or _too_long,
            )
        except ValueError:  # openai-agents wrapped a plain function, which cannot have a timeout
            return tool

    async def _gate(self, data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
        if self._committed is not None and not self._committed.is_set():
            self._waiting += 1
            self._renew()
            try:
                await self._committed.wait()
            finally:
                self._waiting -= 1
                self._renew()
        if self._quotes(data.context.tool_arguments):
            return ToolGuardrailFunctionOutput.reject_content(REFUSED)
        return ToolGuardrailFunctionOutput.allow()

    async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
        seconds = getattr(tool, "timeout_seconds", None) or self._tool_timeout
        self._running[context.tool_call_id] = (context.tool_name, seconds)
        self._renew()
        self._begun(context.tool_call_id, context.tool_name, context.tool_arguments)

    async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: object) -> None:
        self._running.pop(context.tool_call_id, None)
        self._renew()
        self._ended.add(context.tool_call_id)
        self._on_tool(
            ToolResult(context.tool_call_id, repair_surrogates(as_text(result)), isinstance(result, Failure))
        )

    def asked(self, item: Any) -> None:
        """Note that the model has called a tool."""
        raw = item.raw_item
        call_id = _field(raw, "call_id") or _field(raw, "id")
        self._asked[call_id] = (_field(raw, "name") or _field(raw, "type"), _field(raw, "arguments"))

    def answered(self, item: Any) -> None:
        """Note that the model gets a result. Reports a refused call, which was never started."""
        call_id = _field(item.raw_item, "call_id")
        if call_id not in self._ended:
            self._ended.add(call_id)
            self._begun(call_id, *self._asked.get(call_id, ("", "")))
            self._on_tool(ToolResult(call_id, repair_surrogates(str(item.output)), failed=True))

    def result(self, context: Any, results: Any) -> ToolsToFinalOutputResult:
        """Decide after each round of tools whether the run is over, because the turn was handed over."""
        return ToolsToFinalOutputResult(is_final_output=self._stop(), final_output="")

    def _begun(self, call_id: str, name: str, arguments: str) -> None:
        shown = WITHHELD if self._quotes(arguments) else repair_surrogates(arguments)
        self._on_tool(ToolCall(call_id, repair_surrogates(name), shown))

    def _quotes(self, arguments: str) -> bool:
        with suppress(ValueError):  # a model may write any letter as an escape
            arguments = json.dumps(json.loads(arguments), ensure_ascii=False)
        return self._guard.quotes(arguments.replace("\\n", " "))

    def _renew(self) -> None:
        if self._limit is not None and not self._limit.expired():
            patience, now = self._patience, asyncio.get_running_loop().time()
            self._limit.reschedule(None if patience is None else now + patience)


def start(
    name: str,
    instructions: str,
    model: Model,
    messages: list[dict[str, Any]],
    tools: Sequence[Any],
    watch: GenerationWatch,
) -> RunResultStreaming:
    """Start a run of openai-agents on these messages; the last one is the question."""
    agent: Agent[None] = Agent(
        name=name,
        instructions=instructions,
        model=model,
        tools=[watch.guarded(tool) for tool in tools],
        tool_use_behavior=watch.result,
        model_settings=ModelSettings(include_usage=True),
    )
    return Runner.run_streamed(
        agent,
        cast(Any, messages),
        hooks=watch,
        run_config=RunConfig(
            tracing_disabled=True,
            trace_include_sensitive_data=False,
            # a model that calls a tool it does not have is told so, and the turn goes on
            tool_not_found_behavior="return_error_to_model",
            tool_error_formatter=_explained,
        ),
    )


def _explained(args: ToolErrorFormatterArgs[Any]) -> str | None:
    if args.kind == "tool_not_found":
        return NO_SUCH_TOOL
    if args.kind == "tool_exception" and args.error is not None:
        return failure_of(args.run_context, args.error)
    return None


def _shortened(data: ToolOutputGuardrailData) -> ToolGuardrailFunctionOutput:
    text = as_text(data.output)
    if len(text) <= LONGEST_RESULT:
        return ToolGuardrailFunctionOutput.allow()
    return ToolGuardrailFunctionOutput.reject_content(f"{text[:LONGEST_RESULT]} (cut off)")


def _too_long(context: Any, error: Exception) -> str:
    return Failure(f"The tool did not answer in time: {one_line(error)}.")


def _field(raw: Any, name: str) -> str:
    """A field of a raw item, which is an object or a dict depending on the provider."""
    value = raw.get(name) if isinstance(raw, dict) else getattr(raw, name, None)
    return repair_surrogates(value) if isinstance(value, str) else ""
