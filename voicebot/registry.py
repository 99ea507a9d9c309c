"""`"provider:model"` to a loaded backend, built in or from another package.

A backend is a class with the members of `Backend` (and those of its role's Protocol),
announced by an entry point in the group `voicebot.stt`, `.tts`, `.vad` or `.llm`. Nothing
is imported before it is named, so an uninstalled or broken backend costs nothing.
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
"""Called with what is being done and the fraction done (None: unknown). Any thread."""


def no_progress(what: str, fraction: float | None) -> None:
    """A `Progress` that ignores everything."""


@dataclass(frozen=True)
class Availability:
    """Whether a model could be used now, and why."""

    status: Literal["ready", "downloadable", "missing"]
    reason: str
    """One line, no full stop: "installed", "in the cache", "139 MB to download", "needs flite"."""
    hint: str = ""
    """What to do when it is missing."""


@runtime_checkable
class Backend(Protocol):
    """What every backend class has; each role adds its own working methods."""

    name: str
    """The full name in use, e.g. "faster-whisper:small"."""

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        """Model names worth offering (without the provider), best default first; may be empty."""
        ...

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        """Cheap and offline: can `model` ("" means the provider's default) be loaded now?"""
        ...

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        """Load off the loop. Raises UnknownModel, MissingDependency or ModelLoadError."""
        ...

    async def aclose(self) -> None:
        """Free processes, threads and memory. Safe to call twice."""
        ...


def split_spec(spec: str) -> tuple[str, str]:
    """`"piper:en_US-lessac"` to `("piper", "en_US-lessac")`; without a colon the model is ""."""
    provider, _, model = spec.strip().partition(":")
    return provider.strip(), model.strip()


def providers(role: Role) -> dict[str, EntryPoint]:
    """The announced backends of a role by provider name, in name order.

    Reads the metadata of every installed package: ask once and hand it on.
    """
    found = {point.name: point for point in entry_points(group=f"voicebot.{role}")}
    return dict(sorted(found.items()))


def did_you_mean(name: str, known: Iterable[str], most: int = 3, cutoff: float = 0.6) -> str:
    """The beginning of a hint: up to `most` of the known names that are near to this one; "" without any."""
    near = get_close_matches(name, list(known), most, cutoff)
    return f"Did you mean {', '.join(near)}? " if near else ""


def backend_class(role: Role, provider: str, known: Mapping[str, EntryPoint] | None = None) -> type[Backend]:
    """Import a provider's class; `known` are the `providers` of the role, when they are at hand.

    Raises:
        UnknownModel: no provider of that name; the hint lists those there are.
        MissingDependency: its package cannot be imported.
        ModelLoadError: what the entry point names is not a backend.
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
        raise ModelLoadError(f"The {role.upper()} backend {provider!r} fails on import: {error}.") from error
    absent = [m for m in ("known_models", "availability", "load", "aclose") if not hasattr(loaded, m)]
    if absent:
        raise ModelLoadError(
            f"The {role.upper()} backend {provider!r} has no {', '.join(absent)}.",
            hint="See CONTRIBUTING: adding a backend.",
        )
    return cast("type[Backend]", loaded)


async def load_backend(
    role: Role, spec: str, settings: Settings, progress: Progress = no_progress
) -> Backend:
    """Load `"provider:model"`; see `Backend.load` and `backend_class` for the errors.

    Whatever else a backend raises becomes a ModelLoadError.
    """
    provider, model = split_spec(spec)
    try:
        return await backend_class(role, provider).load(model, settings, progress)
    except VoicebotError:
        raise
    except Exception as error:  # a third party's class may raise anything
        raise ModelLoadError(
            f"{spec} cannot be loaded: {one_line(error)}.", hint="Choose another model, or look into the log."
        ) from error
