"""Watch one pause of an utterance until it ends the turn or speech resumes."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from voicebot.clock import Clock
from voicebot.turn.endpointing.policies import EndpointDecision, Endpointing, FixedEndpointing, Pause

logger = logging.getLogger(__name__)

LONGEST = 10.0
"""The longest delay, in seconds, that an endpointing may return; ENDPOINT_MAX_DELAY has the same limit."""
OVERDUE = 1.0
"""Seconds to wait for an overdue notice of silence before asking again, and then before ending the turn."""


class EndpointWatch:
    """Watches a pause from `VoiceActivityStopped` until it ends the turn or speech resumes (`close`).

    Args:
        pause: What is known so far. `silence_s` is filled in before each decision.
        since: Clock time of the last speech sample.
        noticeable: Seconds by which a new delay must differ to be reported.
        await_silence: Asks the media plane for a notice once it has been silent until a clock time.
        predicted: Called with each reported decision.
        confirmed: Called once, with the reason, when the turn is over.
    """

    def __init__(
        self,
        pause: Pause,
        *,
        since: float,
        endpointing: Endpointing,
        clock: Clock,
        noticeable: float,
        await_silence: Callable[[float], None],
        predicted: Callable[[EndpointDecision, Pause], None],
        confirmed: Callable[[str], None],
    ) -> None:
        self.pause = pause
        self._since, self._endpointing, self._clock = since, endpointing, clock
        self._noticeable, self._await_silence = noticeable, await_silence
        self._predicted, self._confirmed = predicted, confirmed
        self._until = self._told = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self.decision = self._decide()
        self._tell()

    def learn(self, **known: Any) -> None:
        """Update fields of the `Pause`, and decide again."""
        if self._timer is None:
            return
        self.pause = replace(self.pause, **known)
        self.decision = self._decide()
        self._tell()

    def reached(self, time: float, probability: float | None = None) -> None:
        """Handle a report of silence until clock time `time`, with this `probability` of speech at its end.

        A report about an earlier, shorter delay is ignored. A doubtful silence may be extended once.
        """
        if self._timer is None or not self._over(time):
            return
        if probability is not None and self.pause.speech_probability is None:
            self.learn(speech_probability=probability)
        if self._over(time):
            self._confirm(self.decision.reason)

    def close(self) -> None:
        """Stop watching, because speech has resumed or the result is no longer needed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _decide(self) -> EndpointDecision:
        self.pause = replace(self.pause, silence_s=max(0.0, self._clock() - self._since))
        try:
            decision = self._endpointing.decide(self.pause)
            if 0 <= decision.delay_s <= LONGEST:
                return decision
            raise ValueError(f"a delay of {decision.delay_s} s")
        except Exception:  # a third party's endpointing may raise anything, and the turn must end
            logger.exception("Endpointing failed")
            fixed = FixedEndpointing().decide(self.pause)
            return replace(fixed, reason=f"endpointing failed (see the log): {fixed.reason}")

    def _tell(self) -> None:
        delay = self.decision.delay_s
        if abs(delay - self._told) >= self._noticeable:
            self._told = delay
            self._predicted(self.decision, self.pause)
        if self._since + delay == self._until:
            return
        self._until = self._since + delay
        self._await_silence(self._until)
        self._arm(asked_again=False)

    def _arm(self, *, asked_again: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        left = max(0.0, self._until - self._clock()) + OVERDUE
        self._timer = asyncio.get_running_loop().call_later(left, self._overdue, asked_again)

    def _overdue(self, asked_again: bool) -> None:
        """The media process has died, or this loop was blocked and has not read the notice: ask once more."""
        if asked_again:
            self._confirm(f"{self.decision.reason}; the media plane did not answer")
        else:
            self._await_silence(self._until)
            self._arm(asked_again=True)

    def _over(self, time: float) -> bool:
        return time >= self._until - 1e-6

    def _confirm(self, reason: str) -> None:
        self.close()
        self._confirmed(reason)
