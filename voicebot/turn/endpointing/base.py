"""When has a person finished speaking? Pure: a pause goes in, a decision with its reason comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from voicebot.turn.endpointing.pauses import PauseStatistics


@dataclass(frozen=True)
class Pause:
    """What is known when a person has fallen silent; asked again whenever more becomes known."""

    participant_id: str
    silence_s: float
    """Seconds since the last speech sample."""
    speech_s: float
    """Seconds from the utterance's first speech sample to its last."""
    text: str = ""
    """The partial transcript so far; "" when the recogniser gives none."""
    text_lag_s: float = 0.0
    """Seconds of speech that came after the text was made: its last words may be missing."""
    language: str = ""
    """Code of the language spoken ("en"); "" when nobody knows, which is read as English."""
    names: Sequence[str] = ()
    """Of those who can be called, for a name said alone."""
    statistics: PauseStatistics | None = None
    """How this person has paused so far."""
    speech_probability: float | None = None
    """The VAD's (Silero's, 0 to 1) mean probability of speech at the end of the silence, once it was over."""
    end_probability: float | None = None
    """A learned model's probability (0 to 1) that the turn is complete; None: no model, or no answer yet."""


@dataclass(frozen=True)
class EndpointDecision:
    """The turn ends when the silence has lasted `delay_s` in all, unless speech goes on before."""

    delay_s: float
    reason: str
    """For people: what the delay follows from, and the delay."""
    expects_more: bool = False
    """The words (or the model) say that the speaker is not done: going on is no surprise then."""


class Endpointing(Protocol):
    """Decides anew at every pause. Pure: the same pause gives the same decision."""

    def decide(self, pause: Pause) -> EndpointDecision: ...


@dataclass(frozen=True)
class FixedEndpointing:
    """The same silence ends every turn, whatever was said."""

    delay_s: float = 0.5

    def decide(self, pause: Pause) -> EndpointDecision:
        return EndpointDecision(self.delay_s, f"fixed silence of {self.delay_s:g} s")
