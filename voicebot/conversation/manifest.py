"""`manifest.json`: what a conversation was made of, without reading its events."""

from __future__ import annotations

import platform
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
    ParticipantUpdated,
    PersonaCreated,
    PersonaUpdated,
)

if TYPE_CHECKING:
    from voicebot.settings import Settings

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


class Person(BaseModel):
    """A participant, human or agent; times in seconds since the conversation began."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str | None = None
    """The last one, where it was changed."""
    kind: str | None = None
    persona_hash: str | None = None
    joined_t: float | None = None
    left_t: float | None = None
    consent: tuple[str, ...] = ()
    """Scopes."""


class Manifest(BaseModel):
    """Frozen; `after(event)` gives the manifest that takes the event into account."""

    model_config = ConfigDict(frozen=True, extra="allow")

    schema_version: int = SCHEMA_VERSION
    conversation_id: str
    wall_clock: str = ""
    """ISO 8601, UTC: the moment of t = 0."""
    ended_t: float | None = None
    """Seconds since the conversation began; null while it runs or when it was cut off."""
    lobby_id: str = ""
    lobby_name: str = ""
    participants: dict[str, Person] = {}
    """By id."""
    personas: dict[str, dict[str, Any]] = {}
    """By persona hash."""
    models: dict[str, str] = {}
    """By role (stt, tts, llm, vad) the "provider:model" at the start; swaps are events."""
    settings: dict[str, Any] = {}
    """Without secrets."""
    seeds: dict[str, int] = {}
    software: dict[str, str] = {}

    def after(self, event: Event) -> Manifest:
        """This manifest itself when the event changes nothing."""
        match event:
            case ConversationStarted():
                if self.lobby_id and self.wall_clock:
                    return self
                return self.model_copy(
                    update={
                        "wall_clock": event.wall_clock,
                        "lobby_id": event.lobby_id,
                        "lobby_name": event.lobby_name,
                    }
                )
            case ConversationEnded():
                return self.model_copy(update={"ended_t": event.t})
            case ParticipantJoined():
                joined = Person(
                    name=event.name, kind=event.kind, persona_hash=event.persona_hash, joined_t=event.t
                )
                return self._with_participant(event.participant_id, joined)
            case ParticipantUpdated() if isinstance(name := event.changes.get("name"), str):
                return self._changed(event.participant_id, name=name)
            case ParticipantLeft():
                return self._changed(event.participant_id, left_t=event.t)
            case ConsentGiven():
                scopes = {*self._person(event.participant_id).consent, event.scope}
                return self._changed(event.participant_id, consent=tuple(sorted(scopes)))
            case ConsentWithdrawn():
                scopes = {*self._person(event.participant_id).consent} - {event.scope}
                return self._changed(event.participant_id, consent=tuple(sorted(scopes)))
            case PersonaCreated() | PersonaUpdated():
                return self.model_copy(
                    update={"personas": self.personas | {event.persona_hash: event.persona}}
                )
            case ModelSwapped() if event.role not in self.models:
                return self.model_copy(update={"models": self.models | {event.role: event.old or event.new}})
        return self

    def _person(self, participant_id: str | None) -> Person:
        return self.participants.get(participant_id or "", Person())

    def _changed(self, participant_id: str | None, **changes: Any) -> Manifest:
        person = self._person(participant_id).model_copy(update=changes)
        return self._with_participant(participant_id, person)

    def _with_participant(self, participant_id: str | None, person: Person) -> Manifest:
        if participant_id is None:
            return self
        return self.model_copy(update={"participants": self.participants | {participant_id: person}})


def plain_settings(settings: Settings | None) -> dict[str, Any]:
    """Every setting that is no secret; of addresses what is shown of them."""
    if settings is None:
        return {}
    secret = {name for name, value in settings if isinstance(value, SecretStr)}
    return settings.model_dump(mode="json", exclude=secret)


@cache
def software_versions() -> dict[str, str]:
    """Python, the system, and the packages whose version can change what is heard."""
    found = {"python": platform.python_version(), "system": platform.platform()}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
