"""An openai-agents Model around a function that writes text: for brains and tests without a server.

Import this lazily: it imports openai-agents, which takes a second or two.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

from agents.agent_output import AgentOutputSchemaBase
from agents.handoffs import Handoff
from agents.items import ModelResponse, TResponseInputItem, TResponseStreamEvent
from agents.model_settings import ModelSettings
from agents.models.interface import Model, ModelTracing
from agents.tool import Tool
from agents.usage import Usage
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
)
from openai.types.responses.response_prompt_param import ResponsePromptParam

from voicebot.llm.lines import ChatHistory, ScriptedCall, read_history

Writer = Callable[[str, ChatHistory], AsyncIterator[str | ScriptedCall]]
"""Gets the instructions and the conversation so far, yields the answer in pieces and the tools to call."""


class TextModel(Model):
    """Answers with what `write` yields, streamed as it comes."""

    def __init__(self, name: str, write: Writer) -> None:
        self.name = name
        self._write = write

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: ResponsePromptParam | None,
    ) -> ModelResponse:
        parts = [part async for part in self._write(system_instructions or "", read_history(input))]
        text = "".join(part for part in parts if isinstance(part, str))
        calls = [part for part in parts if isinstance(part, ScriptedCall)]
        return ModelResponse(output=_output(text, calls), usage=Usage(), response_id=None)

    async def stream_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: ResponsePromptParam | None = None,
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
    """Run openai-agents once for nothing: its first run takes 0.1 s more, and nobody should wait for that."""
    from agents import Agent, RunConfig, Runner

    async def nothing(instructions: str, lines: ChatHistory) -> AsyncIterator[str]:
        yield "."

    agent: Agent[None] = Agent(name="warm-up", model=TextModel("warm-up", nothing))
    run = Runner.run_streamed(agent, "Go.", run_config=RunConfig(tracing_disabled=True))
    async for _ in run.stream_events():
        pass
