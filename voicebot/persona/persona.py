"""A persona: who an agent is, how it sounds and what it looks like."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, computed_field

from voicebot.tts.base import VoiceStyle

PERSONA_SCHEMA_VERSION = 1


class Persona(BaseModel):
    """Everything that defines an agent: its name, character and voice. Frozen."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = PERSONA_SCHEMA_VERSION
    name: str = Field(min_length=1, max_length=40)
    character: str = Field(min_length=1, max_length=2000)
    """The description, e.g. "a grumpy lighthouse keeper"."""
    greeting: str = ""
    """Spoken when the first person arrives; "" for no greeting."""
    voice: VoiceStyle = VoiceStyle()
    language: str = "en"
    """ISO 639-1."""
    portrait: str = ""
    """A `data:image/svg+xml` URL."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def hash(self) -> str:
        """A hash of everything except the portrait, in 16 hex digits. Equal personas have equal hashes."""
        content = self.model_dump(mode="json", exclude={"portrait", "hash"})
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """The persona with its hash, ready for JSON. `Persona.model_validate` reads it back."""
        return self.model_dump(mode="json")
