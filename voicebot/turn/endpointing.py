"""When has a person finished speaking? Pure: a pause goes in, a decision with its reason comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Pause:
    """What is known when a person has fallen silent."""

    participant_id: str
    silence_s: float
    """Seconds since the last speech sample."""
    speech_s: float
    """Seconds from the utterance's first speech sample to its last."""
    text: str = ""
    """The partial transcript so far; "" when the recogniser gives none."""


@dataclass(frozen=True)
class EndpointDecision:
    """The turn ends when the silence has lasted `delay_s` in all, unless speech goes on before."""

    delay_s: float
    reason: str


class Endpointing(Protocol):
    """Decides anew at every pause."""

    def decide(self, pause: Pause) -> EndpointDecision: ...


@dataclass(frozen=True)
class FixedEndpointing:
    """The same silence ends every turn, whatever was said."""

    delay_s: float = 0.5

    def decide(self, pause: Pause) -> EndpointDecision:
        return EndpointDecision(self.delay_s, f"fixed silence of {self.delay_s:g} s")
