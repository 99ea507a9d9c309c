"""The client of an OpenAI-compatible server, and its errors, for all backends that use one."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl, urlsplit

from voicebot.errors import MissingDependency, ModelError, ModelLoadError, UnknownModel, one_line
from voicebot.redaction import shown
from voicebot.registry import Availability
from voicebot.settings import Settings

if TYPE_CHECKING:
    from openai import AsyncOpenAI, Timeout

E = TypeVar("E", bound=ModelError)

OPENAI = "https://api.openai.com/v1"
SET_UP = "Set OPENAI_BASE_URL (any OpenAI-compatible server) or OPENAI_API_KEY in .env."
CHECK_TIMEOUT = 5.0
"""Seconds for the first request to the server."""


def server(settings: Settings) -> str:
    """Return the address of the server without secrets; "" if none is set."""
    return shown(_server(settings))


def endpoint(settings: Settings) -> tuple[str, dict[str, str]]:
    """Return the address for requests, which may contain a password, and the query of each request."""
    parts = urlsplit(_server(settings))
    address = parts._replace(query="", fragment="").geturl().rstrip("/")
    return address, dict(parse_qsl(parts.query, keep_blank_values=True))


def _server(settings: Settings) -> str:
    if settings.openai_base_url:
        return settings.openai_base_url
    return OPENAI if settings.openai_api_key.get_secret_value() else ""


def availability(settings: Settings) -> Availability:
    """Tell whether a server is set, without sending it a request (`connect` does)."""
    address = server(settings)
    if not address:
        return Availability("missing", "no OpenAI-compatible server is set", SET_UP)
    return Availability("ready", f"over the network, at {address}")


async def connect(settings: Settings, *, answer_within: float) -> tuple[AsyncOpenAI, tuple[str, ...]]:
    """Connect to the server, and return a client and the models that the server lists.

    Some servers list no models, or only a part of them, or accept further names. `answer_within` is the
    client's timeout in seconds.

    Raises:
        MissingDependency: the openai package is not installed.
        ModelLoadError: no server is set, it does not answer, or it refuses the key.
    """
    address = server(settings)
    if not address:
        raise ModelLoadError("No OpenAI-compatible server is set.", hint=SET_UP)
    try:
        import openai
    except ImportError as error:
        raise MissingDependency("openai is not installed.", hint="Run `pip install openai`.") from error
    client = make_client(settings, timeout=answer_within, retries=1)
    try:
        return client, await listed_models(client)
    except (openai.APIConnectionError, openai.AuthenticationError, openai.PermissionDeniedError) as error:
        await client.close()
        raise explain(error, address, ModelLoadError) from None
    except openai.OpenAIError:
        return client, ()  # some servers have no list of models
    except Exception:  # the client fails in many ways on a web page
        await client.close()
        raise ModelLoadError(
            f"{address} answers, but not as an OpenAI-compatible server does.",
            hint="Set OPENAI_BASE_URL to the address that ends in /v1.",
        ) from None
    except BaseException:
        await client.close()
        raise


def make_client(settings: Settings, *, timeout: float | Timeout, retries: int) -> AsyncOpenAI:
    """Make a client without asking the server. `timeout` is in seconds."""
    import openai

    address, query = endpoint(settings)
    return openai.AsyncOpenAI(
        base_url=address,
        default_query=query,
        # a local server needs no key, but the client does
        api_key=settings.openai_api_key.get_secret_value() or "none",
        timeout=timeout,
        max_retries=retries,
    )


async def listed_models(client: AsyncOpenAI) -> tuple[str, ...]:
    """Return the models that the server lists. Raises the errors of the client."""
    page = await client.with_options(timeout=CHECK_TIMEOUT, max_retries=0).models.list()
    names = [getattr(entry, "id", None) for entry in getattr(page, "data", None) or []]
    return tuple(name for name in names if isinstance(name, str))


async def try_out(
    trial: Awaitable[object], client: AsyncOpenAI, address: str, model: str, listed: tuple[str, ...]
) -> None:
    """Await a small request to a model that the server does not list, and close the client on failure.

    A timeout, a rate limit or an error of the server counts as success, because it may pass.

    Raises:
        UnknownModel: the server does not accept the model; the hint lists what it has.
        ModelLoadError: the server cannot be reached, or refuses the key.
    """
    import openai

    try:
        await trial
    except (openai.APITimeoutError, openai.RateLimitError, openai.InternalServerError):
        return
    except openai.OpenAIError as error:
        await client.close()
        said = explain(error, address, ModelLoadError, model)
        if not isinstance(
            error, (openai.BadRequestError, openai.NotFoundError, openai.UnprocessableEntityError)
        ):
            raise said from None
        offers = f"It lists: {', '.join(sorted(listed)[:20])}." if listed else said.hint
        raise UnknownModel(said.message, hint=offers) from None
    except BaseException:
        await client.close()
        raise


def explain(
    error: Exception, address: str, kind: type[E], model: str = "", otherwise: str = "choose another backend"
) -> E:
    """Turn an error of the openai client into one of `kind`, with a hint.

    `address` comes from `server`. `otherwise` is the hint for a server without that model. Raise the
    result `from None`: the original may repeat the key, and a notebook would show it.
    """
    import openai

    if isinstance(error, openai.APITimeoutError):
        return kind(
            f"{address} did not answer in time.", hint="Try again, or use another server.", retryable=True
        )
    if isinstance(error, openai.APIConnectionError):
        return kind(
            f"{address} cannot be reached ({one_line(error.__cause__ or error)}).",
            hint="Start the server, or correct OPENAI_BASE_URL.",
            retryable=True,
        )
    if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
        return kind(f"{address} rejects the key.", hint="Correct OPENAI_API_KEY in .env.", retryable=False)
    if isinstance(error, openai.NotFoundError):
        return kind(
            f"{address} has no model {model!r} for this task, or does not support the task.",
            hint=f"Look at {address}/models, {otherwise}, or correct OPENAI_BASE_URL: it usually "
            "ends in /v1.",
            retryable=False,
        )
    if isinstance(error, openai.RateLimitError):
        return kind(f"{address} gets too many requests.", hint="Wait, or raise its limit.", retryable=True)
    if isinstance(error, openai.APIStatusError):
        return kind(
            f"{address} answered {error.status_code}: {one_line(error.message or error)}.",
            retryable=error.status_code >= 500,
        )
    return kind(f"{address} failed: {one_line(error)}.")
