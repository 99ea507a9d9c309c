"""A persona: who an agent is, how it sounds and what it looks like."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, computed_field

from voicebot.tts.base import VoiceStyle

PERSONA_SCHEMA_VERSION = 1


class Persona(BaseModel):
    """Everything that defines an agent. It is frozen, and identified by a hash of its content."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = PERSONA_SCHEMA_VERSION
    name: str = Field(min_length=1, max_length=40)
    character: str = Field(min_length=1, max_length=2000)
    """The description, e.g. "a grumpy lighthouse keeper"."""
    greeting: str = ""
    """What it says when the first person arrives; "" for nothing."""
    voice: VoiceStyle = VoiceStyle()
    language: str = "en"
    """ISO 639-1."""
    portrait: str = ""
    """A `data:image/svg+xml` URL."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def hash(self) -> str:
        """16 hexadecimal digits, computed from everything but the portrait."""
        content = self.model_dump(mode="json", exclude={"portrait", "hash"})
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values, with the hash. `Persona.model_validate` reads it back."""
        return self.model_dump(mode="json")
