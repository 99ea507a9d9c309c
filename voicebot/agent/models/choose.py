"""Choose the model for a role: the one that the settings name, or the best that is available."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from voicebot.errors import ModelError
from voicebot.registry import (
    Availability,
    Backend,
    Progress,
    Role,
    backend_class,
    load_backend,
    no_progress,
    providers,
)
from voicebot.settings import Settings

EMBEDDED: dict[Role, str] = {"stt": "pocketsphinx", "tts": "espeak", "llm": "offline", "vad": "silero"}
"""Models that work offline and are installed with us. (Some platforms have no wheel of pocketsphinx.)"""

RANKING: dict[Role, tuple[str, ...]] = {"stt": ("faster-whisper",), "tts": ("piper", "flite")}
"""Better backends, best first. Those of other packages come after these."""


@dataclass(frozen=True)
class Choice:
    """A model in use and why it was chosen, in one line for people."""

    spec: str
    reason: str
    warning: str = ""
    """What does not work at the moment and what to do about it. The model is used anyway."""


def wanted(role: Role, settings: Settings) -> str:
    """Return the model that the settings name for a role ("provider:model"), or "auto"."""
    if role == "stt":
        return settings.stt_model
    if role == "tts":
        return settings.tts_model
    if role == "vad":
        return settings.vad_model
    if settings.openai_base_url or settings.openai_api_key.get_secret_value():
        return f"openai:{settings.openai_model}" if settings.openai_model else "openai"
    return "auto"


async def choose(role: Role, settings: Settings, progress: Progress = no_progress) -> tuple[Choice, Backend]:
    """Load the model for a role.

    There is no fallback for a model that the settings name. "auto" takes the best backend that loads, and the
    embedded one last. Within a backend, a model that is ready is preferred to a download. A download may take
    `settings.download_timeout` seconds, or any time if nothing is ready.

    Raises:
        ModelError: The named model cannot be loaded, or for "auto" none at all.
    """
    spec = wanted(role, settings)
    if spec != "auto":
        backend = await load_backend(role, spec, settings, progress)
        return Choice(backend.name, "set in the settings"), backend
    failures: list[str] = []
    offers = candidates(role, settings)
    fallback = any(availability.status == "ready" for _, availability in offers)
    for candidate, availability in offers:
        limited = fallback and availability.status == "downloadable"
        budget = settings.download_timeout if limited else None
        try:
            async with asyncio.timeout(budget):
                backend = await load_backend(role, candidate, settings, progress)
        except TimeoutError:
            failures.append(
                f"{candidate} was not downloaded within {budget:g} s "
                f"(set {role.upper()}_MODEL={candidate} to wait for it)"
            )
        except ModelError as error:
            failures.append(f"{candidate}: {error.message.rstrip('.')}")
        else:
            return Choice(backend.name, await _reason(role, candidate, availability, failures)), backend
    raise ModelError(
        f"No {role.upper()} model can be loaded ({'; '.join(failures) or 'none is installed'}).",
        hint=f"Run `voicebot doctor`, or set {'OPENAI' if role == 'llm' else role.upper()}_MODEL."
        + (f" {offers[-1][1].hint}." if offers[-1][1].hint else ""),
    )


async def _reason(role: Role, candidate: str, availability: Availability, failures: list[str]) -> str:
    """Why this model was chosen, and what to set for a better one."""
    if role == "llm" and candidate == EMBEDDED[role]:
        found = await probe_local_llms()
        if found:
            first = found[0]
            return (
                f"no language model is set; to use {first.name} on this machine, "
                f"set OPENAI_BASE_URL={first.base_url} and OPENAI_MODEL={first.models[0]}"
            )
        return "no language model is set: set OPENAI_MODEL and OPENAI_BASE_URL or OPENAI_API_KEY"
    if candidate != EMBEDDED[role]:
        best = "downloaded now" if availability.status == "downloadable" else availability.reason
        return "; ".join([f"the best that is ready: {best}", *failures])
    better = "; ".join(failures) or f"nothing better is installed; set {role.upper()}_MODEL for another"
    return f"the built-in one, because {better}"


def candidates(role: Role, settings: Settings) -> list[tuple[str, Availability]]:
    """The models that "auto" may try, best first and the embedded one last."""
    found: list[tuple[str, Availability]] = []
    ranks = RANKING.get(role, ())
    known = providers(role)
    for provider in sorted(
        known, key=lambda name: (ranks.index(name) if name in ranks else len(ranks), name)
    ):
        if provider in (EMBEDDED[role], "openai"):
            continue
        try:
            backend = backend_class(role, provider, known)
            models = ("", *backend.known_models(settings))  # "" is the provider's own default
            offers = [
                (f"{provider}:{model}" if model else provider, backend.availability(model, settings))
                for model in models
            ]
        except Exception:  # a broken backend is no candidate; `voicebot doctor` reports it
            continue
        ready = [offer for offer in offers if offer[1].status == "ready"]
        downloads = [offer for offer in offers if offer[1].status == "downloadable"]
        found += ready[:1] or (downloads[:1] if settings.download_timeout else [])
    try:
        embedded = backend_class(role, EMBEDDED[role], known).availability("", settings)
    except ModelError as error:
        embedded = Availability("missing", error.message.rstrip("."), error.hint.rstrip("."))
    return [*found, (EMBEDDED[role], embedded)]


@dataclass(frozen=True)
class LocalLLM:
    """An OpenAI-compatible server on this machine, with at least one model."""

    name: str
    base_url: str
    models: tuple[str, ...]


LOCAL_PORTS = {"Ollama": 11434, "LM Studio": 1234, "vLLM": 8000, "llama.cpp": 8080}
"""The default port of each server."""


async def probe_local_llms(
    ports: Mapping[str, int] = LOCAL_PORTS, *, patience: float = 1.0
) -> tuple[LocalLLM, ...]:
    """Find the servers that list models at http://127.0.0.1:port/v1/models within `patience` seconds.

    Only answers of the form `{"object": "list", "data": [{"id": ..., "object": "model"}, ...]}` count,
    because other servers listen on these ports, too; ours uses port 8000.
    """

    async def ask(client: httpx.AsyncClient, name: str, port: int) -> LocalLLM | None:
        base = f"http://127.0.0.1:{port}/v1"
        try:
            async with asyncio.timeout(patience):
                answer = await client.get(f"{base}/models")
                content = answer.json() if answer.status_code == 200 else None
        except (TimeoutError, httpx.HTTPError, ValueError):
            return None
        listed = (
            content.get("data") if isinstance(content, dict) and content.get("object") == "list" else None
        )
        models = tuple(
            entry["id"]
            for entry in (listed if isinstance(listed, list) else [])
            if isinstance(entry, dict) and entry.get("object") == "model" and isinstance(entry.get("id"), str)
        )
        return LocalLLM(name, base, models) if models else None

    # without TLS: reading the certificate authorities takes a tenth of a second
    async with httpx.AsyncClient(trust_env=False, timeout=patience, verify=False) as client:
        answers = await asyncio.gather(*(ask(client, name, port) for name, port in ports.items()))
    return tuple(found for found in answers if found is not None)
