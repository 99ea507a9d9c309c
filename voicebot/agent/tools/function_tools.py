"""Tools of an agent: Python functions that a language model may call, and reports of each call."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voicebot.errors import VoicebotError, one_line

if TYPE_CHECKING:
    from agents import FunctionTool

ToolFunction = Callable[..., Any]
"""A plain or async function with a docstring and typed parameters."""

HAND_OVER = "hand_over"
"""The name of the built-in tool; see `voicebot.agent.thinking.handover`."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""Names of functions that OpenAI's API accepts."""
LONGEST_RESULT = 4000
"""Characters of a result that a model gets, some 1,000 tokens, which leaves room for the conversation."""
THREADS = 8
"""Threads for functions that block. They serve only tools, so one that hangs blocks nothing else."""


@dataclass(frozen=True)
class ToolCall:
    """A tool is called; `arguments` is the model's JSON."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class ToolResult:
    """The result of the call with this id, as the model gets it."""

    call_id: str
    result: str
    failed: bool = False
    """The tool raised an error, took too long, or was refused."""


class Failure(str):
    """A result that tells the model that the tool failed."""


def make_tool(function: Any, *, name: str = "", timeout: float | None = None) -> FunctionTool:
    """Make a tool from a Python function. A tool of openai-agents is returned as it is.

    The model sees the function's name, its docstring and its parameters with their types. A plain function
    runs in a thread, an `async def` on the loop. The model gets the result as text: a string as it is,
    anything else as JSON, cut to `LONGEST_RESULT` characters.

    Args:
        name: The tool's name for the model; by default that of the function.
        timeout: Seconds until the model is told that the tool took too long; None means TOOL_TIMEOUT. A
            thread then runs on, because nothing can stop Python code from outside.

    Raises:
        VoicebotError: (`tool`) The model could not know how to call it. The hint says what to change.
    """
    from agents import FunctionTool, function_tool
    from agents.exceptions import UserError

    if isinstance(function, FunctionTool):
        if name or timeout is not None:
            raise _unusable_tool(
                f"{function.name} is already an openai-agents tool, with a name and a timeout of its own.",
                hint="Pass name_override= and timeout= to function_tool, or pass the function to agent.tool.",
            )
        return function
    called = name or getattr(function, "__name__", "")
    _check(function, called)
    if timeout is not None and timeout <= 0:
        raise _unusable_tool(
            f"The tool {called} cannot have a timeout of {timeout:g} s.",
            hint="Give a positive number of seconds, or leave it out to use TOOL_TIMEOUT.",
        )
    wrapped = _wrapped(function)
    try:
        try:
            return function_tool(wrapped, name_override=called, timeout=timeout)
        except UserError:  # a strict schema cannot describe, for example, a dict with any keys
            return function_tool(wrapped, name_override=called, timeout=timeout, strict_mode=False)
    except Exception as error:
        raise _unusable_tool(
            f"The function {called} cannot be a tool: {one_line(error)}.",
            hint="Use parameters of simple types: str, int, float, bool, lists, Literal, dataclasses.",
        ) from error


def _check(function: Any, name: str) -> None:
    if not callable(function) or inspect.isclass(function):
        raise _unusable_tool(
            f"A tool must be a function, not {function!r:.80}.", hint="Write it with def or async def."
        )
    if not NAME.fullmatch(name) or name == HAND_OVER:
        raise _unusable_tool(
            f"{name!r} is not a valid name for a tool.",
            hint=f"Use letters, digits and underscores, such as name='find_train' ({HAND_OVER} is built in).",
        )
    if not inspect.getdoc(function):
        raise _unusable_tool(
            f"The tool {name} has no docstring, so the model cannot know what it does.",
            hint='Add one, such as """Departures of trains from a station.""".',
        )
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise _unusable_tool(
                f"The tool {name} takes {parameter}, which the model cannot fill in.",
                hint="Give each parameter a name and a type.",
            )
        if parameter.annotation is parameter.empty:
            raise _unusable_tool(
                f"The parameter {parameter.name} of the tool {name} has no type.",
                hint=f"Add one, such as {parameter.name}: str (or int, float, bool, list[str], Literal).",
            )


def _unusable_tool(message: str, hint: str) -> VoicebotError:
    return VoicebotError(message, hint=hint, code="tool")


def _wrapped(function: Callable[..., Any]) -> ToolFunction:
    blocks = not inspect.iscoroutinefunction(function)

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> str:
        call = functools.partial(function, *args, **kwargs)
        if blocks:
            in_context = contextvars.copy_context().run
            result = await asyncio.get_running_loop().run_in_executor(_threads(), in_context, call)
        else:
            result = call()
        if inspect.isawaitable(result):  # an async function, perhaps behind a plain decorator
            result = await result
        return as_text(result)

    return run


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="tool")


def as_text(result: Any) -> str:
    """A result as text for the model; a `Failure` stays one."""
    if isinstance(result, str):
        return result
    if result is None:
        return "Done."
    if hasattr(result, "model_dump_json"):
        return str(result.model_dump_json())
    if isinstance(result, dict) and result.get("type") == "text" and "text" in result:
        return str(result["text"])  # from an MCP server
    return json.dumps(result, ensure_ascii=False, default=str)


def failure_of(context: Any, error: Exception) -> str:
    """Return what the model is told about an error in a tool."""
    return Failure(f"The tool failed: {type(error).__name__}: {one_line(error)}.")
