"""Endpointing by a learned model's probability that the turn is complete, within the same bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from voicebot.turn.endpointing.base import EndpointDecision, Pause
from voicebot.turn.endpointing.dynamic import DynamicEndpointing
from voicebot.turn.endpointing.settings import EndpointingSettings


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
