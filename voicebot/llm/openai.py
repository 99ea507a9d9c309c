"""Language models behind an OpenAI-compatible server, or OpenAI itself, through openai-agents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from voicebot.errors import ModelFailed, ModelLoadError
from voicebot.registry import Availability, Progress, no_progress
from voicebot.settings import Settings

if TYPE_CHECKING:
    from agents.models.interface import Model
    from openai import AsyncOpenAI

OPENAI = "https://api.openai.com/v1"
CHECK_TIMEOUT = 5.0
"""Seconds to wait for a server that is asked whether it is there."""


class OpenAILLM:
    """`openai:<model>`; the server is `OPENAI_BASE_URL` (chat completions), else OpenAI (responses)."""

    notice = ""

    def __init__(self, model: str, settings: Settings) -> None:
        self.name = f"openai:{model}"
        self.base_url = settings.openai_base_url or OPENAI
        self._model = model
        self._settings = settings
        self._client: AsyncOpenAI | None = None

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return (settings.openai_model,) if settings.openai_model else ()

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        """From the settings alone; `check` asks the server."""
        if not settings.openai_base_url and not settings.openai_api_key.get_secret_value():
            return Availability(
                "missing",
                "neither OPENAI_BASE_URL nor OPENAI_API_KEY is set",
                "Set OPENAI_BASE_URL to a server (such as http://localhost:11434/v1), or OPENAI_API_KEY.",
            )
        if not (model or settings.openai_model):
            return Availability(
                "missing", "OPENAI_MODEL is not set", "Set it to a model that your server offers."
            )
        return Availability("ready", f"served by {settings.openai_base_url or OPENAI}")

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        """Prepare the client; the server need not be up yet. Raises ModelLoadError naming the setting."""
        found = cls.availability(model, settings)
        if found.status != "ready":
            raise ModelLoadError(f"The language model cannot be used: {found.reason}.", hint=found.hint)
        progress("Loading openai-agents", None)
        await asyncio.to_thread(__import__, "voicebot.llm.openai_model")
        from voicebot.llm.text_model import warm_up

        await warm_up()
        return cls(model or settings.openai_model, settings)

    def model(self) -> Model:
        from voicebot.llm.openai_model import make_model

        return make_model(self._model, self._connect(), self.is_openai, self.explain)

    @property
    def is_openai(self) -> bool:
        """OpenAI itself, which has the responses API."""
        return urlsplit(self.base_url).hostname == "api.openai.com"

    async def check(self) -> Availability:
        """Ask the server for its models: is it there, does it take the key, has it this model?"""
        try:
            listed = await self._connect().with_options(timeout=CHECK_TIMEOUT, max_retries=0).models.list()
            names = [entry.id for entry in listed.data or []]
        except Exception as error:
            failed = self.explain(error)
            return Availability("missing", failed.message, failed.hint)
        if names and self._model not in names and f"{self._model}:latest" not in names:
            return Availability(
                "missing",
                f"{self.base_url} has no model {self._model!r}",
                f"It offers: {', '.join(sorted(names)[:20])}. Set OPENAI_MODEL to one of them.",
            )
        return Availability("ready", f"{self.base_url} offers {self._model}")

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def explain(self, error: Exception) -> ModelFailed:
        """Any failure of the server in words that say what to do."""
        import openai

        where = self.base_url
        match error:
            case openai.APITimeoutError():
                what, hint = "did not answer in time", "Is it overloaded? LLM_TIMEOUT sets how long to wait."
            case openai.APIConnectionError():
                what, hint = "cannot be reached", "Is the server running, and is OPENAI_BASE_URL right?"
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                what, hint = f"refused the key ({error.status_code})", "Correct OPENAI_API_KEY."
            case openai.NotFoundError():
                what = f"has no model {self._model!r}, or no such address (404)"
                hint = "Correct OPENAI_MODEL, or OPENAI_BASE_URL (it usually ends in /v1)."
            case openai.RateLimitError():
                what, hint = "is busy or the quota is used up (429)", "Wait a little, or check your account."
            case openai.APIStatusError():
                what, hint = f"answered with error {error.status_code}: {_short(error.message)}", ""
            case openai.APIError():
                what, hint = f"broke off: {_short(error.message)}", "Ask again."
            case _:
                what, hint = f"failed: {_short(str(error)) or type(error).__name__}", "Ask again."
        retryable = not isinstance(error, openai.AuthenticationError | openai.NotFoundError)
        return ModelFailed(f"The language model server {where} {what}.", hint=hint, retryable=retryable)

    def _connect(self) -> AsyncOpenAI:
        if self._client is None:
            from openai import AsyncOpenAI, Timeout

            wait = self._settings.llm_timeout
            self._client = AsyncOpenAI(
                base_url=self.base_url,
                # a local server wants no key, the client insists on one
                api_key=self._settings.openai_api_key.get_secret_value() or "none",
                timeout=Timeout(wait, connect=min(5.0, wait)),
                max_retries=self._settings.llm_retries,
            )
        return self._client


Explain = Callable[[Exception], ModelFailed]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 200 else text[:197] + "..."
