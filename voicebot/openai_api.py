"""What the backends that speak to an OpenAI-compatible server share: the client and its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicebot.errors import MissingDependency, ModelError, ModelFailed, ModelLoadError
from voicebot.registry import Availability
from voicebot.settings import Settings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENAI = "https://api.openai.com/v1"
SET_UP = "Set OPENAI_BASE_URL (any OpenAI-compatible server) or OPENAI_API_KEY in .env."
CHECK_TIMEOUT = 5.0
"""Seconds for the first look at the server."""


def server(settings: Settings) -> str:
    """The address in use, "" when none is set up."""
    if settings.openai_base_url:
        return settings.openai_base_url
    return OPENAI if settings.openai_api_key.get_secret_value() else ""


def availability(settings: Settings) -> Availability:
    """Offline: is a server set up? Whether it answers is found out by `connect`."""
    address = server(settings)
    if not address:
        return Availability("missing", "no OpenAI-compatible server is set up", SET_UP)
    return Availability("ready", f"over the network, at {address}")


async def connect(settings: Settings, *, answer_within: float) -> AsyncOpenAI:
    """A client for the set-up server, after a first look that it answers and takes the key.

    Raises:
        MissingDependency, ModelLoadError
    """
    address = server(settings)
    if not address:
        raise ModelLoadError("No OpenAI-compatible server is set up.", hint=SET_UP)
    try:
        import openai
    except ImportError as error:
        raise MissingDependency("openai is not installed.", hint="pip install openai.") from error
    client = openai.AsyncOpenAI(
        base_url=address,
        api_key=settings.openai_api_key.get_secret_value() or "none",
        timeout=answer_within,
        max_retries=1,
    )
    try:
        await client.with_options(timeout=CHECK_TIMEOUT, max_retries=0).models.list()
    except (openai.APIConnectionError, openai.AuthenticationError, openai.PermissionDeniedError) as error:
        await client.close()
        raise explain(error, address, ModelLoadError) from error
    except openai.OpenAIError:
        pass  # some servers have no list of models
    except BaseException:
        await client.close()
        raise
    return client


def explain(
    error: Exception, address: str, kind: type[ModelError] = ModelFailed, model: str = ""
) -> ModelError:
    """An error of the openai client as one of ours, with what to do next."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return kind(f"{address} did not answer in time.", hint="Is it overloaded?", retryable=True)
    if isinstance(error, openai.APIConnectionError):
        return kind(
            f"{address} cannot be reached ({error.__cause__ or error}).",
            hint="Start the server, or correct OPENAI_BASE_URL.",
            retryable=True,
        )
    if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
        return kind(f"{address} refuses the key.", hint="Correct OPENAI_API_KEY in .env.", retryable=False)
    if isinstance(error, openai.NotFoundError):
        return kind(
            f"{address} has no model {model!r} for this, or cannot do this at all.",
            hint=f"Look at {address}/models, or choose another backend.",
            retryable=False,
        )
    if isinstance(error, openai.RateLimitError):
        return kind(f"{address} says: too many requests.", hint="Wait, or raise the limit.", retryable=True)
    if isinstance(error, openai.APIStatusError):
        said = " ".join(error.message.split())[:300]
        return kind(f"{address} answered {error.status_code}: {said}.", retryable=error.status_code >= 500)
    return kind(f"{address} failed: {error or type(error).__name__}.")
