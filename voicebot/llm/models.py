"""openai-agents' Models: around a function that writes text, and for a server whose errors are explained.

Import this lazily: it imports openai-agents, which takes a second or two.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

from agents.items import ModelResponse, TResponseInputItem, TResponseStreamEvent
from agents.models.interface import Model
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel
from agents.usage import Usage
from openai import AsyncOpenAI
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
)

from voicebot.errors import ModelFailed
from voicebot.llm.lines import ChatHistory, ScriptedCall, read_history

Writer = Callable[[str, ChatHistory], AsyncIterator[str | ScriptedCall]]
"""Takes the instructions and the conversation, yields the answer in pieces and the tools to call."""


class TextModel(Model):
    """A model whose answers are what the function `write` yields."""

    def __init__(self, name: str, write: Writer) -> None:
        self.name = name
        self._write = write

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        *args: Any,
        **kwargs: Any,
    ) -> ModelResponse:
        parts = [part async for part in self._write(system_instructions or "", read_history(input))]
        text = "".join(part for part in parts if isinstance(part, str))
        calls = [part for part in parts if isinstance(part, ScriptedCall)]
        return ModelResponse(output=_output(text, calls), usage=Usage(), response_id=None)

    async def stream_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        *args: Any,
        **kwargs: Any,
    ) -> AsyncIterator[TResponseStreamEvent]:
        text, number = "", 0
        calls: list[ScriptedCall] = []
        async for part in self._write(system_instructions or "", read_history(input)):
            if isinstance(part, ScriptedCall):
                calls.append(part)
                continue
            text += part
            yield ResponseTextDeltaEvent(
                type="response.output_text.delta",
                item_id="text",
                output_index=0,
                content_index=0,
                delta=part,
                logprobs=[],
                sequence_number=number,
            )
            number += 1
        response = Response(
            id="text",
            created_at=0,
            model=self.name,
            object="response",
            output=cast(Any, _output(text, calls)),
            parallel_tool_calls=False,
            tool_choice="none",
            tools=[],
        )
        yield ResponseCompletedEvent(type="response.completed", response=response, sequence_number=number)


def _output(text: str, calls: Sequence[ScriptedCall]) -> list[Any]:
    output: list[Any] = []
    if text or not calls:
        content = ResponseOutputText(type="output_text", text=text, annotations=cast(Any, []))
        output.append(
            ResponseOutputMessage(
                id="text", type="message", role="assistant", status="completed", content=[content]
            )
        )
    output += [
        ResponseFunctionToolCall(
            type="function_call",
            call_id=f"call-{secrets.token_hex(4)}",
            name=call.name,
            arguments=json.dumps(call.arguments),
        )
        for call in calls
    ]
    return output


async def warm_up() -> None:
    """Run openai-agents once, because its first run takes 0.1 s longer and nobody should wait for that."""
    from agents import Agent, RunConfig, Runner

    async def nothing(instructions: str, lines: ChatHistory) -> AsyncIterator[str]:
        yield "."

    agent: Agent[None] = Agent(name="warm-up", model=TextModel("warm-up", nothing))
    run = Runner.run_streamed(agent, "Go.", run_config=RunConfig(tracing_disabled=True))
    async for _ in run.stream_events():
        pass


def make_model(
    name: str, client: AsyncOpenAI, responses: bool, explain: Callable[[Exception], ModelFailed]
) -> Model:
    """Make a model on this server, for the responses API if `responses`, else for chat completions."""
    inner: Model = (
        OpenAIResponsesModel(name, client) if responses else OpenAIChatCompletionsModel(name, client)
    )
    return ExplainedModel(inner, explain)


class ExplainedModel(Model):
    """Wraps a model and turns its failures into ModelFailed with an explanation for people."""

    def __init__(self, inner: Model, explain: Callable[[Exception], ModelFailed]) -> None:
        self.inner = inner
        self._explain = explain

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        try:
            return await self.inner.get_response(*args, **kwargs)
        except Exception as error:
            raise self._explain(error) from None

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        try:
            async for event in self.inner.stream_response(*args, **kwargs):
                yield event
        except Exception as error:
            raise self._explain(error) from None
