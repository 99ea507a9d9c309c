"""Finds and loads a backend by its name, "provider:model".

A backend is a class with the members of `Backend` and of the Protocol of its role. An entry point in the
group `voicebot.stt`, `.tts`, `.vad` or `.llm` announces it. Nothing is imported before it is named, so a
backend that is missing or broken costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, Protocol, Self, cast, runtime_checkable

from voicebot.errors import MissingDependency, ModelLoadError, UnknownModel, VoicebotError, one_line
from voicebot.settings import Settings

Role = Literal["stt", "tts", "vad", "llm"]

Progress = Callable[[str, float | None], None]
"""Called from any thread with a description of the work, and the fraction done (None: unknown)."""


def no_progress(what: str, fraction: float | None) -> None:
    """A `Progress` that ignores everything."""


@dataclass(frozen=True)
class Availability:
    """Whether a model can be used now, and why."""

    status: Literal["ready", "downloadable", "missing"]
    reason: str
    """One line without a full stop, such as "installed", "139 MB to download" or "needs flite"."""
    hint: str = ""
    """What to do if the model is missing."""


@runtime_checkable
class Backend(Protocol):
    """What every backend has in common. Each role adds methods of its own."""

    name: str
    """The full name in use, such as "faster-whisper:small"."""

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        """Return the models to offer, without the provider. The best default comes first. May be empty."""

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        """Tell whether `model` ("": the provider's default) can be loaded now. Quick and offline."""

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        """Load the model without blocking the event loop.

        Raises:
            UnknownModel: the provider has no such model; the hint lists the known ones.
            MissingDependency: a package or library is not installed; the hint says which.
            ModelLoadError: the model could not be loaded.
        """

    async def aclose(self) -> None:
        """Free processes, threads and memory. Safe to call twice."""


def split_spec(spec: str) -> tuple[str, str]:
    """Split "piper:en_US-lessac" into ("piper", "en_US-lessac"). Without a colon, the model is ""."""
    provider, _, model = spec.strip().partition(":")
    return provider.strip(), model.strip()


def providers(role: Role) -> dict[str, EntryPoint]:
    """Return the announced backends of a role by provider, in alphabetical order.

    Reads the metadata of every installed package, so call it once and pass the result on.
    """
    found = {point.name: point for point in entry_points(group=f"voicebot.{role}")}
    return dict(sorted(found.items()))


def did_you_mean(name: str, known: Iterable[str], most: int = 3, cutoff: float = 0.6) -> str:
    """Return the beginning of a hint: up to `most` known names similar to `name`; "" if there are none."""
    near = get_close_matches(name, list(known), most, cutoff)
    return f"Did you mean {', '.join(near)}? " if near else ""


def backend_class(role: Role, provider: str, known: Mapping[str, EntryPoint] | None = None) -> type[Backend]:
    """Import the class of a provider. `known` is the result of `providers(role)`, if at hand.

    Raises:
        UnknownModel: no provider has that name; the hint lists the known ones.
        MissingDependency: the provider's package cannot be imported.
        ModelLoadError: the entry point does not name a backend.
    """
    if known is None:
        known = providers(role)
    point = known.get(provider)
    if point is None:
        raise UnknownModel(
            f"There is no {role.upper()} backend called {provider!r}.",
            hint=did_you_mean(provider, known, 1)
            + f"Known ones: {', '.join(known) or 'none'}. Write it as provider:model.",
        )
    try:
        loaded = point.load()
    except ImportError as error:
        raise MissingDependency(
            f"The {role.upper()} backend {provider!r} cannot be imported: {error}.",
            hint="Install the package it needs, or choose another backend.",
        ) from error
    except Exception as error:  # a third party's module may raise anything
        raise ModelLoadError(
            f"The {role.upper()} backend {provider!r} fails on import: {error}.",
            hint="Report it to the package's author, or choose another backend.",
        ) from error
    absent = [m for m in ("known_models", "availability", "load", "aclose") if not hasattr(loaded, m)]
    if absent:
        raise ModelLoadError(
            f"The {role.upper()} backend {provider!r} has no {', '.join(absent)}.",
            hint='See "Adding a backend" in CONTRIBUTING.md.',
        )
    return cast("type[Backend]", loaded)


async def load_backend(
    role: Role, spec: str, settings: Settings, progress: Progress = no_progress
) -> Backend:
    """Load the backend "provider:model".

    Raises:
        ModelError: see `backend_class` and `Backend.load`. Any other error of a backend becomes a
            ModelLoadError.
    """
    provider, model = split_spec(spec)
    try:
        return await backend_class(role, provider).load(model, settings, progress)
    except VoicebotError:
        raise
    except Exception as error:  # a third party's class may raise anything
        raise ModelLoadError(
            f"{spec} cannot be loaded: {one_line(error)}.", hint="Choose another model, or look at the log."
        ) from error
