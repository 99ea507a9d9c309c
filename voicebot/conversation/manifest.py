"""`manifest.json`: a summary of a conversation, which can be read without its events."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, SecretStr

from voicebot.events import (
    SCHEMA_VERSION,
    ConsentGiven,
    ConsentWithdrawn,
    ConversationEnded,
    ConversationStarted,
    Event,
    ModelSwapped,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdateEvent,
    PersonaCreated,
    PersonaUpdated,
)

if TYPE_CHECKING:
    from voicebot.settings import Settings

LARGEST_MANIFEST = 1 << 26
"""Bytes, far more than a conversation of a day needs. Larger files are not read."""
RECORDED_PACKAGES = (
    "ai-voicebot",
    "aiortc",
    "aioice",
    "av",
    "faster-whisper",
    "ctranslate2",
    "piper-tts",
    "pocketsphinx",
    "onnxruntime",
    "openai-agents",
    "openai",
    "numpy",
    "pydantic",
)


TOLD = (
    ConversationStarted,
    ConversationEnded,
    ParticipantJoined,
    ParticipantUpdateEvent,
    ParticipantLeft,
    ConsentGiven,
    ConsentWithdrawn,
    PersonaCreated,
    PersonaUpdated,
    ModelSwapped,
)
"""The events that change a manifest."""


class ParticipantRecord(BaseModel):
    """A person or an agent. Times are in seconds since the conversation began."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str | None = None
    """The latest name."""
    kind: str | None = None
    persona_hash: str | None = None
    joined_t: float | None = None
    left_t: float | None = None
    consent: tuple[str, ...] = ()
    """The scopes that this participant consents to, such as "recording"."""


class Manifest(BaseModel):
    """The summary of a conversation. It is frozen: `after(event)` returns an updated one."""

    model_config = ConfigDict(frozen=True, extra="allow")

    schema_version: int = SCHEMA_VERSION
    conversation_id: str
    wall_clock: str = ""
    """The time of t = 0, in ISO 8601 and UTC."""
    ended_t: float | None = None
    """Seconds since the conversation began; null while it runs, or if it was cut off."""
    lobby_id: str = ""
    lobby_name: str = ""
    participants: dict[str, ParticipantRecord] = {}
    """Participants by id."""
    personas: dict[str, dict[str, Any]] = {}
    """Personas by hash."""
    models: dict[str, str] = {}
    """"provider:model" at the start, by role (stt, tts, llm, vad). Later swaps are events."""
    settings: dict[str, Any] = {}
    """The settings, without secrets."""
    seeds: dict[str, int] = {}
    software: dict[str, str] = {}

    def after(self, event: Event) -> Manifest:
        """Return the manifest updated by an event, or this one if the event changes nothing."""
        return self.after_all((event,)) if isinstance(event, TOLD) else self

    def after_all(self, events: Iterable[Event]) -> Manifest:
        """Return the manifest after many events, in time that grows linearly with their number."""
        began: dict[str, Any] = {}
        ended_t = self.ended_t
        people, personas, models = dict(self.participants), dict(self.personas), dict(self.models)
        consents: dict[str, set[str]] = {}

        def change(who: str | None, **changes: Any) -> None:
            if who is not None:
                people[who] = people.get(who, ParticipantRecord()).model_copy(update=changes)

        def scopes(who: str | None) -> set[str]:
            change(who)
            return consents.setdefault(who or "", {*people.get(who or "", ParticipantRecord()).consent})

        for event in events:
            who = event.participant_id
            match event:
                case ConversationStarted():
                    known = {"lobby_id": self.lobby_id, "wall_clock": self.wall_clock} | began
                    if not (known["lobby_id"] and known["wall_clock"]):
                        began = event.model_dump(include={"wall_clock", "lobby_id", "lobby_name"})
                case ConversationEnded():
                    ended_t = event.t
                case ParticipantJoined() if who is not None:
                    people[who] = ParticipantRecord(
                        name=event.name, kind=event.kind, persona_hash=event.persona_hash, joined_t=event.t
                    )
                    consents.pop(who, None)
                case ParticipantUpdateEvent() if isinstance(name := event.changes.get("name"), str):
                    change(who, name=name)
                case ParticipantLeft():
                    change(who, left_t=event.t)
                case ConsentGiven():
                    scopes(who).add(event.scope)
                case ConsentWithdrawn():
                    scopes(who).discard(event.scope)
                case PersonaCreated() | PersonaUpdated():
                    personas[event.persona_hash] = event.persona
                case ModelSwapped():
                    models.setdefault(event.role, event.old or event.new)
                case _:
                    pass
        for who, given in consents.items():
            if who in people:
                change(who, consent=tuple(sorted(given)))
        changed = {"participants": people, "personas": personas, "models": models, "ended_t": ended_t}
        after = self.model_copy(update=began | changed)
        return self if after == self else after


def plain_settings(settings: Settings | None) -> dict[str, Any]:
    """Return the settings as JSON values, without secrets and without the secret parts of addresses."""
    if settings is None:
        return {}
    secret = {name for name, value in settings if isinstance(value, SecretStr)}
    return settings.model_dump(mode="json", exclude=secret)


@cache
def software_versions() -> dict[str, str]:
    """Return the versions of Python, the system, and the packages that can change what is heard."""
    found = {"python": platform.python_version(), "system": platform.platform()}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
