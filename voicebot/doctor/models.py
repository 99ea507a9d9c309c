"""Which model each role gets, why, and what else there is; and the language model's server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx

from voicebot.agent.choose import EMBEDDED, wanted
from voicebot.agent.models import Models, Option
from voicebot.doctor.check import Check, Status
from voicebot.registry import Role, split_spec
from voicebot.settings import Settings

NAMES: dict[Role, str] = {"stt": "hearing (STT)", "tts": "voice (TTS)", "llm": "thinking (LLM)", "vad": "VAD"}
LOCAL_SERVERS = {
    "Ollama": "http://127.0.0.1:11434/v1",
    "LM Studio": "http://127.0.0.1:1234/v1",
    "vLLM": "http://127.0.0.1:8000/v1",
    "llama.cpp": "http://127.0.0.1:8080/v1",
}
"""OpenAI-compatible servers and the port each listens on when nothing else is said."""
PATIENCE = 5.0
"""Seconds for a server to list its models; it does not have to think for that."""


def role(name: Role, settings: Settings) -> Check:
    """What the settings ask for and whether it is there; nothing is loaded or downloaded."""
    options = Models(settings).options(name) if name != "vad" else []
    spec = wanted(name, settings)
    provider, _ = split_spec(spec)
    others = ", ".join(o.spec for o in options if o.availability.status == "ready" and o.spec != spec)
    alternatives = f"; also ready: {others}" if others else ""
    if spec == "auto":
        best = next((o for o in options if _counts(name, o)), None)
        chosen = best.spec if best else EMBEDDED[name]
        reason = "the best that is ready" if best else "the embedded one: nothing better is installed"
        if best is None and all(
            o.availability.status == "missing" for o in options if split_spec(o.spec)[0] == EMBEDDED[name]
        ):
            return Check(
                "Models",
                NAMES[name],
                "failed",
                f"not even the embedded {EMBEDDED[name]} can be loaded",
                _advice([o for o in options if split_spec(o.spec)[0] == EMBEDDED[name]]),
            )
        better = next((o for o in options if o.availability.status == "downloadable"), None)
        status: Status = "ok" if best else "note"
        advice = "" if best else _better(name, better)
        return Check("Models", NAMES[name], status, f"{chosen} ({reason}){_less(others, chosen)}", advice)
    if name == "vad":
        return Check("Models", NAMES[name], "ok", spec)
    match = next((o for o in options if o.spec in (spec, provider)), None)
    if match is None:
        match = _availability(name, spec, settings)
    where = f"{spec} (set in the settings): {match.availability.reason}{alternatives}"
    if match.availability.status == "missing":
        return Check("Models", NAMES[name], "failed", where, _advice([match]))
    if match.availability.status == "downloadable":
        return Check("Models", NAMES[name], "note", where, "It is downloaded when the server starts.")
    return Check("Models", NAMES[name], "ok", where)


def _counts(name: Role, option: Option) -> bool:
    provider = split_spec(option.spec)[0]
    return option.availability.status == "ready" and provider not in (EMBEDDED[name], "openai")


def _less(others: str, chosen: str) -> str:
    left = [o for o in others.split(", ") if o and o != chosen]
    return f"; also ready: {', '.join(left)}" if left else ""


def _availability(name: Role, spec: str, settings: Settings) -> Option:
    from voicebot.errors import ModelError
    from voicebot.registry import Availability, backend_class

    provider, model = split_spec(spec)
    try:
        return Option(spec, backend_class(name, provider).availability(model, settings))
    except ModelError as error:
        return Option(spec, Availability("missing", error.message, error.hint))
    except Exception as error:  # a third party's class may raise anything
        return Option(spec, Availability("missing", f"fails: {error}"))


def _advice(options: list[Option]) -> str:
    hints = [o.availability.hint for o in options if o.availability.hint]
    return " ".join(hints) or "Choose another one in .env (.env.example explains each), or install it."


def _better(name: Role, option: Option | None) -> str:
    if name == "llm":
        return "Set OPENAI_BASE_URL and OPENAI_MODEL (a local server), or OPENAI_API_KEY and OPENAI_MODEL."
    if option is None:
        return f"{name.upper()}_MODEL in .env names another one; .env.example lists them."
    return f"For a better one: {name.upper()}_MODEL={option.spec} in .env ({option.availability.reason})."


async def language_model_server(settings: Settings) -> Check | None:
    """Does the server of OPENAI_BASE_URL (or OpenAI) answer, and has it the model? None: not set."""
    key = settings.openai_api_key.get_secret_value()
    if not settings.openai_base_url and not key:
        return None
    base = settings.openai_base_url or "https://api.openai.com/v1"
    name = "language model server"
    try:
        models = await _listed(base, key)
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        if code in (401, 403):
            return Check(
                "Models",
                name,
                "failed",
                f"{base} refuses the key ({code})",
                "Correct OPENAI_API_KEY in .env.",
            )
        return Check(
            "Models",
            name,
            "warning",
            f"{base} answers {code} when asked for its models",
            "OPENAI_BASE_URL must be the address that ends in /v1; look into the server's log.",
        )
    except httpx.TimeoutException:
        return Check(
            "Models",
            name,
            "failed",
            f"{base} did not answer within {PATIENCE:g} s",
            "Is it still loading its model, or is a firewall in the way?",
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Check(
            "Models",
            name,
            "failed",
            f"{base} cannot be reached: {error or type(error).__name__}",
            "Start the server, or correct OPENAI_BASE_URL in .env.",
        )
    except ValueError:
        return Check(
            "Models",
            name,
            "warning",
            f"{base} answers, but not as an OpenAI-compatible server does",
            "OPENAI_BASE_URL must be the address that ends in /v1.",
        )
    if not settings.openai_model:
        return Check(
            "Models",
            name,
            "failed",
            f"{base} answers; OPENAI_MODEL is not set",
            f"Set one in .env: OPENAI_MODEL={models[0] if models else '...'}{_of(models)}",
        )
    if models and settings.openai_model not in models:
        return Check(
            "Models",
            name,
            "failed",
            f"{base} answers, but has no model {settings.openai_model!r}",
            f"Set OPENAI_MODEL to one it has{_of(models)}",
        )
    return Check("Models", name, "ok", f"{base} answers and has {settings.openai_model}")


async def local_servers(settings: Settings, candidates: dict[str, str] = LOCAL_SERVERS) -> list[Check]:
    """OpenAI-compatible servers on this machine that the settings do not use yet."""
    if settings.openai_base_url or settings.openai_api_key.get_secret_value():
        return []
    found = await asyncio.gather(*(_try(base) for base in candidates.values()))
    return [
        Check(
            "Models",
            f"local server ({name})",
            "note",
            f"answers at {base} with {', '.join(models[:5])}",
            f"To use it, put into .env: OPENAI_BASE_URL={base} and OPENAI_MODEL={models[0]}",
        )
        for (name, base), models in zip(candidates.items(), found, strict=True)
        if models
    ]


async def _try(base: str) -> list[str]:
    try:
        return await _listed(base, "", patience=1.0)
    except (httpx.HTTPError, ValueError):
        return []


async def _listed(base: str, key: str, patience: float | None = None) -> list[str]:
    """The ids of GET /models. Raises httpx's errors, or ValueError for another kind of answer."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(
        timeout=patience or PATIENCE, trust_env=False, follow_redirects=True
    ) as http:
        answer = await http.get(f"{base}/models", headers=headers)
    answer.raise_for_status()
    content: Any = answer.json()
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise ValueError("no list of models")
    return [str(entry["id"]) for entry in content["data"] if isinstance(entry, dict) and "id" in entry]


def _of(models: list[str]) -> str:
    return f" (it has {', '.join(models[:8])}{', ...' if len(models) > 8 else ''})" if models else ""


def roles(settings: Settings) -> Iterator[Check]:
    """All four."""
    for name in NAMES:
        yield role(name, settings)
