"""Tools of an agent: Python functions that a language model may call, and what is told of each call."""

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
"""With a docstring and typed parameters; plain or async."""

HAND_OVER = "hand_over"
"""The name of the room's own tool; see `voicebot.agent.thinking.handover`."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What OpenAI's API takes as the name of a function."""
LONGEST_RESULT = 4000
"""Characters of a result that a model gets: some 1,000 tokens, which leaves room for a conversation."""
THREADS = 8
"""Functions that may block at a time, in threads of their own: one that hangs takes no one else's."""


@dataclass(frozen=True)
class ToolCall:
    """A tool is called; `arguments` is the model's JSON."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class ToolResult:
    """What came of the call of that id, as the model is told."""

    call_id: str
    result: str
    failed: bool = False
    """It raised an error, took too long, or was refused."""


class Failure(str):
    """What a model is told of a tool that failed."""


def make_tool(function: Any, *, name: str = "", timeout: float | None = None) -> FunctionTool:
    """A Python function as a tool; one of openai-agents' own is taken as it is.

    The model sees the function's name, its docstring and its parameters with their types. A plain function
    runs in a thread, an `async def` on the loop. The result is given to the model as text: a string as it is,
    anything else as JSON; of a long one its first `LONGEST_RESULT` characters.

    Args:
        name: What the model calls it; the function's own name when empty.
        timeout: Seconds until the model is told that it took too long; None: TOOL_TIMEOUT. A thread goes on
            after that: nothing can stop Python code from outside.

    Raises:
        VoicebotError: (`tool`) a model could not know how to call it; it says what to change.
    """
    from agents import FunctionTool, function_tool
    from agents.exceptions import UserError

    if isinstance(function, FunctionTool):
        if name or timeout is not None:
            raise VoicebotError(
                f"{function.name} is a tool of openai-agents already, and is taken as it is.",
                hint="Give function_tool name_override= and timeout=, or agent.tool the function itself.",
                code="tool",
            )
        return function
    called = name or getattr(function, "__name__", "")
    _check(function, called)
    if timeout is not None and timeout <= 0:
        raise VoicebotError(
            f"The tool {called} cannot end within {timeout:g} s.",
            hint="Give more seconds, or none: TOOL_TIMEOUT is the limit then.",
            code="tool",
        )
    wrapped = _wrapped(function)
    try:
        return function_tool(wrapped, name_override=called, timeout=timeout)
    except UserError:  # such as a dict with any keys: no strict schema can say that
        return _loosely(wrapped, called, timeout)
    except Exception as error:
        raise _unusable(called, error) from error


def _loosely(wrapped: ToolFunction, called: str, timeout: float | None) -> FunctionTool:
    from agents import function_tool

    try:
        return function_tool(wrapped, name_override=called, timeout=timeout, strict_mode=False)
    except Exception as error:
        raise _unusable(called, error) from error


def _check(function: Any, name: str) -> None:
    if not callable(function) or inspect.isclass(function):
        raise VoicebotError(
            f"A tool is a function, not {function!r:.80}.",
            hint="Write it with def or async def.",
            code="tool",
        )
    if not NAME.fullmatch(name) or name == HAND_OVER:
        raise VoicebotError(
            f"A tool cannot be called {name!r}.",
            hint="Use letters, digits and underscores, such as name='find_train'"
            f" ({HAND_OVER} is the room's own).",
            code="tool",
        )
    if not inspect.getdoc(function):
        raise VoicebotError(
            f"The tool {name} has no docstring, so a model cannot know what it is for.",
            hint='Begin the function with one, such as """Departures of trains from a station.""".',
            code="tool",
        )
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise VoicebotError(
                f"The tool {name} takes {parameter}, which a model cannot fill in.",
                hint="Give each parameter a name and a type.",
                code="tool",
            )
        if parameter.annotation is parameter.empty:
            raise VoicebotError(
                f"The parameter {parameter.name} of the tool {name} has no type.",
                hint=f"Write it, such as {parameter.name}: str (or int, float, bool, list[str], Literal).",
                code="tool",
            )


def _unusable(name: str, error: Exception) -> VoicebotError:
    return VoicebotError(
        f"The function {name} cannot be a tool: {one_line(error)}.",
        hint="Use parameters of simple types: str, int, float, bool, lists of them, Literal, dataclasses.",
        code="tool",
    )


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
        if inspect.isawaitable(result):  # also what a plain decorator makes of an async function
            result = await result
        return as_text(result)

    return run


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="tool")


def as_text(result: Any) -> str:
    """What a model gets to read of a result; a failure stays one."""
    if isinstance(result, str):
        return result
    if result is None:
        return "Done."
    if hasattr(result, "model_dump_json"):
        return str(result.model_dump_json())
    if isinstance(result, dict) and result.get("type") == "text" and "text" in result:
        return str(result["text"])  # of an MCP server
    return json.dumps(result, ensure_ascii=False, default=str)


def failure_of(context: Any, error: Exception) -> str:
    """What a model is told of an error in a tool."""
    return Failure(f"The tool failed: {type(error).__name__}: {one_line(error)}.")
