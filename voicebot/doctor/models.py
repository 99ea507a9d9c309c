"""Check which model each role would use and why, the alternatives, and the language model server."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import httpx

from voicebot import openai_api
from voicebot.agent.models.choose import EMBEDDED, LOCAL_PORTS, candidates, probe_local_llms, wanted
from voicebot.agent.models.endpoint_model import EndOfTurnModel
from voicebot.agent.models.endpointing import model_path
from voicebot.agent.models.models import Models
from voicebot.doctor.check import Check
from voicebot.errors import ModelError, one_line
from voicebot.registry import Availability, Role, backend_class, split_spec
from voicebot.settings import Settings

NAMES: dict[Role, str] = {
    "stt": "speech to text (STT)",
    "tts": "text to speech (TTS)",
    "llm": "language model (LLM)",
    "vad": "voice activity (VAD)",
}
SET_ANOTHER = "Set another model in .env; .env.example explains every setting."
PATIENCE = 5.0
"""Seconds that a server may take to list its models."""


def role(name: Role, settings: Settings) -> Check:
    """Check the model that a role would use, and why. Nothing is loaded or downloaded."""
    check = partial(Check, "Models", NAMES[name])
    spec = wanted(name, settings)
    if spec == "auto":
        return _automatic(name, settings)
    found = _availability(name, spec, settings)
    where = f"{spec} (set in the settings): {found.reason}"
    if found.status == "missing":
        return check("failed", where, found.hint or SET_ANOTHER)
    if found.status == "downloadable":
        return check("note", where, "The server downloads it when it starts.")
    return check("ok", where + _alternatives(name, spec, settings))


def _automatic(name: Role, settings: Settings) -> Check:
    check = partial(Check, "Models", NAMES[name])
    *_, (_, embedded) = offers = candidates(name, settings)
    downloads = [spec for spec, offer in offers if offer.status == "downloadable"]
    chosen, offer = next((o for o in offers if o[1].status == "ready"), offers[-1])
    if offer.status == "missing" and downloads:
        detail = f"{downloads[0]}, because {embedded.reason}"
        return check("note", detail, "The first start waits for the download.")
    if offer.status == "missing":
        detail = f"even the built-in {chosen} cannot be loaded: {embedded.reason}"
        return check("failed", detail, embedded.hint or SET_ANOTHER)
    why = "built in" if chosen == EMBEDDED[name] else f"the best that is ready: {offer.reason}"
    detail = f"{chosen} ({why})" + _alternatives(name, chosen, settings)
    if name == "llm":
        advice = "Set OPENAI_MODEL, and OPENAI_BASE_URL (a local server) or OPENAI_API_KEY."
        return check("note", f"{chosen}: small talk only, not a language model", advice)
    if downloads:
        seconds = settings.download_timeout
        advice = f"The server first tries to download {downloads[0]} in {seconds:g} s (DOWNLOAD_TIMEOUT)."
        return check("note", detail, advice)
    if chosen == EMBEDDED[name]:
        return check("note", detail, SET_ANOTHER)
    return check("ok", detail)


def _alternatives(name: Role, chosen: str, settings: Settings) -> str:
    """List the other providers that are ready, each with one of its models."""
    others: dict[str, str] = {}
    for option in Models(settings).options(name) if name != "vad" else []:
        provider = split_spec(option.spec)[0]
        if option.availability.status == "ready" and provider != split_spec(chosen)[0]:
            others.setdefault(provider, option.spec)
    return f"; also ready: {', '.join(others.values())}" if others else ""


def _availability(name: Role, spec: str, settings: Settings) -> Availability:
    provider, model = split_spec(spec)
    try:
        return backend_class(name, provider).availability(model, settings)
    except ModelError as error:
        return Availability("missing", error.message, error.hint)
    except Exception as error:  # a third party's class may raise anything
        return Availability("missing", f"fails: {one_line(error)}")


async def end_of_turn(settings: Settings) -> Check | None:
    """Load and try the model that ENDPOINTING names. Returns None if it names no model."""
    check = partial(Check, "Models", "end of turn")
    path = model_path(settings)
    if not path:
        return None
    try:
        model = await EndOfTurnModel.load(path)
    except ModelError as error:
        return check("failed", error.message, error.hint)
    await model.aclose()
    return check("ok", f"{model.name} (set in the settings)")


async def language_model_server(settings: Settings) -> Check | None:
    """Check that the server of OPENAI_BASE_URL (or OpenAI) answers and has the model; None without one."""
    check = partial(Check, "Models", "language model server")
    base = openai_api.server(settings)
    if not base:
        return None
    try:
        models = await _listed(settings)
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        if code in (401, 403):
            return check("failed", f"{base} rejects the API key ({code})", "Correct OPENAI_API_KEY in .env.")
        return check(
            "warning",
            f"{base} answers {code} when asked for its models",
            "Set OPENAI_BASE_URL to the address that ends in /v1, or look at the log of that server.",
        )
    except httpx.TimeoutException:
        return check(
            "failed",
            f"{base} did not answer within {PATIENCE:g} s",
            "Wait until that server has loaded its model, and check the firewall.",
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return check(
            "failed",
            f"{base} cannot be reached: {one_line(error)}",
            "Start the server, or correct OPENAI_BASE_URL in .env.",
        )
    except ValueError:
        return check(
            "warning",
            f"{base} answers, but not as an OpenAI-compatible server does",
            "Set OPENAI_BASE_URL to the address that ends in /v1.",
        )
    if not settings.openai_model:
        return check(
            "failed",
            f"{base} answers, but OPENAI_MODEL is not set",
            f"Set OPENAI_MODEL={models[0] if models else '...'} in .env{_of(models)}.",
        )
    if models and not {settings.openai_model, f"{settings.openai_model}:latest"} & {*models}:
        return check(
            "failed",
            f"{base} answers, but has no model {settings.openai_model!r}",
            f"Set OPENAI_MODEL to a model of the server{_of(models)}.",
        )
    return check("ok", f"{base} answers and has {settings.openai_model}")


async def local_servers(settings: Settings, ports: Mapping[str, int] = LOCAL_PORTS) -> list[Check]:
    """Find OpenAI-compatible servers on this machine that the settings do not use."""
    if settings.openai_base_url or settings.openai_api_key.get_secret_value():
        return []
    return [
        Check(
            "Models",
            f"local server ({found.name})",
            "note",
            f"answers at {found.base_url} with {', '.join(found.models[:5])}",
            f"To use it, set OPENAI_BASE_URL={found.base_url} and OPENAI_MODEL={found.models[0]} in .env.",
        )
        for found in await probe_local_llms(ports)
    ]


async def _listed(settings: Settings) -> list[str]:
    """Return the ids of GET /models.

    Raises:
        httpx.HTTPError: the server cannot be reached, or answers with an error.
        ValueError: the answer is not a list of models.
    """
    address, query = openai_api.endpoint(settings)
    key = settings.openai_api_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(timeout=PATIENCE, follow_redirects=True) as http:
        answer = await http.get(f"{address}/models", params=query, headers=headers)
    answer.raise_for_status()
    content: Any = answer.json()
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise ValueError("no list of models")
    return [str(entry["id"]) for entry in content["data"] if isinstance(entry, dict) and "id" in entry]


def _of(models: list[str]) -> str:
    return f" (it lists {', '.join(models[:8])}{', ...' if len(models) > 8 else ''})" if models else ""


def roles(settings: Settings) -> list[Check]:
    """Check the model of every role."""
    return [role(name, settings) for name in NAMES]
