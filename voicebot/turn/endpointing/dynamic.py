"""A delay for each pause: from the words so far, how this person pauses, and how silent the silence is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from voicebot.turn.endpointing.base import EndpointDecision, Pause
from voicebot.turn.endpointing.settings import EndpointingSettings
from voicebot.turn.endpointing.text import Ending, read_ending

TOLD_PACE = 0.1
"""How far from 1 a speaker's pace must be to be named in a reason."""


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
