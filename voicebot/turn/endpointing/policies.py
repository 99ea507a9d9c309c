"""Decide when a person has finished speaking. Pure: a pause goes in, a decision with its reason comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from voicebot.turn.endpointing.pauses import PauseStatistics
from voicebot.turn.endpointing.settings import EndpointingSettings
from voicebot.turn.endpointing.text import Ending, read_ending

TOLD_PACE = 0.1
"""How far from 1 a speaker's pace must be before the reason mentions it."""


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


@dataclass(frozen=True)
class DynamicEndpointing:
    """Short after complete words, long after "and", "um" and half a telephone number; always within bounds.

    Complete words never get a longer delay than incomplete ones in the same pause.
    """

    settings: EndpointingSettings = field(default_factory=EndpointingSettings)

    def decide(self, pause: Pause) -> EndpointDecision:
        settings = self.settings
        reading = read_ending(pause.text, language=pause.language, names=pause.names, settings=settings)
        delay, reasons = delays(settings)[reading.ending], [reading.because]
        if reading.ending.complete and pause.text_lag_s > settings.stale_text:
            delay = settings.delay
            reasons.append("the newest words are not known yet")
        factor = _pace(pause, settings)
        if abs(factor - 1) >= TOLD_PACE:
            reasons.append(f"this speaker pauses {'long' if factor > 1 else 'briefly'} (x{factor:.1f})")
        if (pause.speech_probability or 0.0) > settings.doubtful_silence:
            factor *= settings.doubt_factor
            reasons.append(f"the silence is doubtful (speech at {pause.speech_probability:.2f})")
        delay = round(min(max(delay * factor, settings.min_delay), settings.max_delay), 3)
        return EndpointDecision(delay, f"{', '.join(reasons)}: {delay:.3g} s", reading.ending.expects_more)


@dataclass(frozen=True)
class LearnedEndpointing:
    """Complete: the least delay. Incomplete: the greatest. As long as the model is silent: by the words."""

    settings: EndpointingSettings = field(default_factory=EndpointingSettings)

    def decide(self, pause: Pause) -> EndpointDecision:
        settings, probability = self.settings, pause.end_probability
        if probability is None:
            return DynamicEndpointing(settings).decide(pause)
        complete = probability >= settings.complete_probability
        delay = settings.min_delay if complete else settings.max_delay
        what = "complete" if complete else "incomplete"
        return EndpointDecision(
            delay, f"the model finds the turn {what} ({probability:.2f}): {delay:.3g} s", not complete
        )


def delays(settings: EndpointingSettings) -> Mapping[Ending, float]:
    """Seconds for each ending, for an average speaker, before the bounds."""
    neutral = settings.delay
    return {
        Ending.QUESTION: settings.min_delay,
        Ending.SENTENCE: min(settings.sentence_delay, neutral),
        Ending.ANSWER: min(settings.answer_delay, neutral),
        Ending.QUESTION_SHAPE: min(settings.question_delay, neutral),
        Ending.NOTHING: neutral,
        Ending.PLAIN: neutral,
        # what is unfinished never gets less than what may be complete, whatever ENDPOINT_DELAY is
        Ending.NUMBER: max(settings.number_delay, neutral),
        Ending.CLAUSE: max(settings.clause_delay, neutral),
        Ending.VOCATIVE: max(settings.vocative_delay, neutral),
        Ending.UNFINISHED: max(settings.unfinished_delay, neutral),
        Ending.FILLER: max(settings.filler_delay, neutral),
        Ending.DICTATION: max(settings.dictation_delay, neutral),
    }


def _pace(pause: Pause, settings: EndpointingSettings) -> float:
    if pause.statistics is None:
        return 1.0
    return min(max(pause.statistics.pace(), settings.quickest_pace), settings.slowest_pace)
