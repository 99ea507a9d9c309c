"""One pause of one utterance: decided, decided anew when more is known, over when it has lasted."""

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
"""Seconds that an endpointing may ask for: as much as ENDPOINT_MAX_DELAY may be."""
OVERDUE = 1.0
"""Seconds after which the media plane is asked again for a silence that is due, and then believed dead."""


class EndpointWatch:
    """From `VoiceActivityStopped` until the silence lasted (`confirmed`) or speech goes on (`close`).

    Args:
        pause: what is known now; its `silence_s` is filled in at each decision.
        since: clock time of the last speech sample.
        noticeable: seconds by which a new decision must differ to be told.
        await_silence: asks the media plane for word when it has been silent up to a clock time.
        predicted: called with each decision that is told.
        confirmed: called once, with the reason, when the turn is over.
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
        """More is known of the pause (fields of `Pause`): decide anew."""
        if self._timer is None:
            return
        self.pause = replace(self.pause, **known)
        self.decision = self._decide()
        self._tell()

    def reached(self, time: float, probability: float | None = None) -> None:
        """The media plane: silent up to `time`, but for so much `probability` of speech at its end.

        Word of an earlier, shorter wait is no end. A doubtful silence may be given more time, once.
        """
        if self._timer is None or not self._over(time):
            return
        if probability is not None and self.pause.speech_probability is None:
            self.learn(speech_probability=probability)
        if self._over(time):
            self._confirm(self.decision.reason)

    def close(self) -> None:
        """Speech goes on, or nobody cares any more."""
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
        except Exception:  # it may be anybody's, and a turn must end
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
        """The process died, or this loop stood still and its word waits to be read: ask once more."""
        if asked_again:
            self._confirm(f"{self.decision.reason}; the media plane said nothing")
        else:
            self._await_silence(self._until)
            self._arm(asked_again=True)

    def _over(self, time: float) -> bool:
        return time >= self._until - 1e-6

    def _confirm(self, reason: str) -> None:
        self.close()
        self._confirmed(reason)
