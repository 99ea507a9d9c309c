"""Which model to use for a role, and why: what the settings name, else the best that can be had now."""

from __future__ import annotations

from dataclasses import dataclass

from voicebot.errors import ModelError
from voicebot.registry import (
    Backend,
    Progress,
    Role,
    backend_class,
    load_backend,
    no_progress,
    providers,
    split_spec,
)
from voicebot.settings import Settings

EMBEDDED: dict[Role, str] = {"stt": "pocketsphinx", "tts": "espeak", "llm": "offline", "vad": "silero"}
"""Always there: offline, in a wheel."""


@dataclass(frozen=True)
class Choice:
    """A model in use and the reason, one line for people."""

    spec: str
    reason: str


def wanted(role: Role, settings: Settings) -> str:
    """What the settings ask for: a spec, or "auto"."""
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

    A model that the settings name is loaded or its error raised. "auto" takes the first of
    the ready ones that loads, and the embedded one in the end.

    Raises:
        ModelError: the named model, or even the embedded one, cannot be loaded.
    """
    spec = wanted(role, settings)
    if spec != "auto":
        return Choice(spec, "set in the settings"), await load_backend(role, spec, settings, progress)
    failures: list[str] = []
    for candidate in _ready(role, settings):
        try:
            backend = await load_backend(role, candidate, settings, progress)
        except ModelError as error:
            failures.append(f"{candidate}: {error.message}")
            continue
        return Choice(backend.name, "; ".join(["the best that is ready", *failures])), backend
    raise ModelError(
        f"No {role.upper()} model can be loaded ({'; '.join(failures) or 'none is installed'}).",
        hint=f"Run `voicebot doctor`, or set {role.upper()}_MODEL.",
    )


def _ready(role: Role, settings: Settings) -> list[str]:
    """Specs that could be loaded now, the embedded one last."""
    found: list[str] = []
    for provider in providers(role):
        if provider in (EMBEDDED[role], "openai"):
            continue
        try:
            backend = backend_class(role, provider)
            models = backend.known_models(settings) or ("",)
            found += [
                f"{provider}:{model}" if model else provider
                for model in models
                if backend.availability(model, settings).status == "ready"
            ]
        except ModelError:
            continue
    name, _ = split_spec(EMBEDDED[role])
    return [*found, name]
