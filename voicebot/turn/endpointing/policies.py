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
    """What is known about a pause. The endpointing decides again whenever more becomes known."""

    participant_id: str
    silence_s: float
    """Seconds since the last speech sample."""
    speech_s: float
    """Seconds from the utterance's first speech sample to its last."""
    text: str = ""
    """The interim transcript; "" if the recogniser gives none."""
    text_lag_s: float = 0.0
    """Seconds of speech that the interim transcript does not cover; its last words may be missing."""
    language: str = ""
    """Code of the spoken language ("en"); "" if unknown, which counts as English."""
    names: Sequence[str] = ()
    """Names of those who can be called, to recognise a name said alone."""
    statistics: PauseStatistics | None = None
    """How this person has paused so far."""
    speech_probability: float | None = None
    """The VAD's (Silero's) mean speech probability at the end of the silence, 0 to 1, once that is over."""
    end_probability: float | None = None
    """A learned model's probability, 0 to 1, that the turn is complete; None without a model or an answer."""


@dataclass(frozen=True)
class EndpointDecision:
    """The turn ends once the silence has lasted `delay_s` in total, unless speech resumes first."""

    delay_s: float
    reason: str
    """The delay and where it comes from, for people to read."""
    expects_more: bool = False
    """Whether the words or the model say that the speaker is not done."""


class Endpointing(Protocol):
    """Decides at every pause. Pure: the same pause gives the same decision."""

    def decide(self, pause: Pause) -> EndpointDecision:
        """Decide how much silence ends the turn, and give the reason."""


@dataclass(frozen=True)
class FixedEndpointing:
    """Every turn ends after the same silence, whatever was said."""

    delay_s: float = 0.5

    def decide(self, pause: Pause) -> EndpointDecision:
        return EndpointDecision(self.delay_s, f"fixed silence of {self.delay_s:g} s")


@dataclass(frozen=True)
class DynamicEndpointing:
    """A short delay after complete words, a long one after "and", "um" or half a telephone number.

    The delay stays within its bounds. In the same pause, complete words never get a longer one than
    incomplete words.
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
            reasons.append(f"this speaker makes {'long' if factor > 1 else 'short'} pauses (x{factor:.1f})")
        if (pause.speech_probability or 0.0) > settings.doubtful_silence:
            factor *= settings.doubt_factor
            reasons.append(f"the silence is doubtful (speech at {pause.speech_probability:.2f})")
        delay = round(min(max(delay * factor, settings.min_delay), settings.max_delay), 3)
        return EndpointDecision(delay, f"{', '.join(reasons)}: {delay:.3g} s", reading.ending.expects_more)


@dataclass(frozen=True)
class LearnedEndpointing:
    """The shortest delay if the model finds the turn complete, else the longest; `DynamicEndpointing` until
    the model has answered."""

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
    """Seconds for each ending, for an average speaker, before the bounds apply."""
    neutral = settings.delay
    return {
        Ending.QUESTION: settings.min_delay,
        Ending.SENTENCE: min(settings.sentence_delay, neutral),
        Ending.ANSWER: min(settings.answer_delay, neutral),
        Ending.QUESTION_SHAPE: min(settings.question_delay, neutral),
        Ending.NOTHING: neutral,
        Ending.PLAIN: neutral,
        # an unfinished ending never gets less than a complete one, whatever ENDPOINT_DELAY is
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
