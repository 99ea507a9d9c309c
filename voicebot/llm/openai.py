"""Language models on an OpenAI-compatible server or at OpenAI, through openai-agents."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from voicebot import openai_api
from voicebot.errors import ModelError, ModelFailed, ModelLoadError
from voicebot.registry import Availability, Progress, no_progress
from voicebot.settings import Settings

if TYPE_CHECKING:
    from agents.models.interface import Model
    from openai import AsyncOpenAI

OFFLINE = "To start without a language model, unset OPENAI_BASE_URL and OPENAI_API_KEY."


class OpenAILLM:
    """`openai:<model>` at `OPENAI_BASE_URL` (chat completions) or else at OpenAI (responses)."""

    notice = ""

    def __init__(self, model: str, settings: Settings) -> None:
        self.name = f"openai:{model}"
        self.base_url = openai_api.server(settings)
        """The server's address without secrets."""
        self._model = model
        self._settings = settings
        self._client: AsyncOpenAI | None = None

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return (settings.openai_model,) if settings.openai_model else ()

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        """Judge by the settings alone; `check` asks the server."""
        found = openai_api.availability(settings)
        if found.status == "ready" and not (model or settings.openai_model):
            example = "such as llama3.2" if settings.openai_base_url else "such as gpt-4.1-mini"
            return Availability(
                "missing", "OPENAI_MODEL is not set", f"Set it to a model of the server, {example}. {OFFLINE}"
            )
        return found

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        """Prepare the client; the server need not run yet. Raises ModelLoadError that names the setting."""
        found = cls.availability(model, settings)
        if found.status != "ready":
            names = await _offered(settings)
            hint = f"Set it to one of the server's models: {names}. {OFFLINE}" if names else found.hint
            raise ModelLoadError(f"The language model cannot be used: {found.reason}.", hint=hint)
        progress("Loading openai-agents", None)
        await asyncio.to_thread(__import__, "voicebot.llm.models")
        from voicebot.llm.models import warm_up

        await warm_up()
        return cls(model or settings.openai_model, settings)

    def model(self) -> Model:
        from voicebot.llm.models import make_model

        responses = urlsplit(self.base_url).hostname == "api.openai.com"
        return make_model(self._model, self._connect(), responses, self.explain)

    async def check(self) -> Availability:
        """Ask the server for its models, to see that it runs, accepts the key and has this model."""
        try:
            names = await openai_api.listed_models(self._connect())
        except Exception as error:
            failed = self.explain(error)
            return Availability("missing", failed.message.rstrip("."), failed.hint)
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
        """Explain a failure of the server and what to do."""
        import openai

        said = openai_api.explain(error, self.base_url, ModelFailed, self._model, "correct OPENAI_MODEL")
        if isinstance(error, openai.APITimeoutError):
            said.hint += " LLM_TIMEOUT sets how long to wait."
        return said

    def _connect(self) -> AsyncOpenAI:
        if self._client is None:
            from openai import Timeout

            wait = self._settings.llm_timeout
            self._client = openai_api.make_client(
                self._settings,
                timeout=Timeout(wait, connect=min(5.0, wait)),
                retries=self._settings.llm_retries,
            )
        return self._client


async def _offered(settings: Settings) -> str:
    """Some models of the user's own server; "" if there is none or it does not list them."""
    if not settings.openai_base_url:
        return ""
    try:
        client, names = await openai_api.connect(settings, answer_within=openai_api.CHECK_TIMEOUT)
    except ModelError:
        return ""
    await client.close()
    return ", ".join(sorted(names)[:20])
