"""openai-agents' models for a server, whose errors are explained. Import lazily: it is heavy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from agents.items import ModelResponse, TResponseStreamEvent
from agents.models.interface import Model
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel
from openai import AsyncOpenAI

from voicebot.errors import ModelFailed


def make_model(
    name: str, client: AsyncOpenAI, responses: bool, explain: Callable[[Exception], ModelFailed]
) -> Model:
    """A model of this server: the responses API of OpenAI itself, chat completions elsewhere."""
    inner: Model = (
        OpenAIResponsesModel(name, client) if responses else OpenAIChatCompletionsModel(name, client)
    )
    return ExplainedModel(inner, explain)


class ExplainedModel(Model):
    """Another model whose failures become ModelFailed with words for people."""

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
