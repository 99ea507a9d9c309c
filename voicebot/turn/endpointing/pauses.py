"""How one person pauses: silences within turns, and silences that ended a turn."""

from __future__ import annotations

from collections import deque

PRIOR_PAUSES = (0.12, 0.15, 0.18, 0.2, 0.23, 0.26, 0.3, 0.34, 0.39, 0.45, 0.6, 0.9)
"""Seconds of an average speaker's pauses, in `PRIOR_TURNS` turns, after words that could have been the last.

Their spread follows Campione and Véronis 2002 (A large-scale comparative study of silent pause
duration): log-normal, most silent pauses between 0.2 and 1 s, few longer. Their number is
ours, and so is that a tenth of the turns has one above 0.45 s: `EndpointingSettings.delay` is just above.
"""
PRIOR_TURNS = 20
"""The prior counts as much as twenty turns of this speaker."""
REMEMBERED = 100
"""Only this many of the latest pauses and turn ends count, because pace changes (ours)."""
CUT_IN_RATE = 0.1
"""The share of a speaker's turns that the endpointer may cut into. Ours; Raux and Eskenazi 2008 (Optimizing
endpointing thresholds using dialogue features) state an endpointer's latency at such a rate."""


class PauseStatistics:
    """The pauses of one person, bounded in number. It starts with those of an average speaker.

    It uses order statistics only, so single odd pauses change little. Not thread-safe.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._seen: deque[float | None] = deque(maxlen=remembered)
        """Seconds of a pause, or None for the end of a turn."""

    @property
    def pauses(self) -> tuple[float, ...]:
        """Seconds of the remembered pauses within turns, oldest first."""
        return tuple(seconds for seconds in self._seen if seconds is not None)

    @property
    def turns(self) -> int:
        """The number of remembered turns that have ended."""
        return sum(seconds is None for seconds in self._seen)

    def went_on(self, silence_s: float) -> None:
        """Record that the person resumed after this silence."""
        self._seen.append(max(0.0, silence_s))

    def ended(self) -> None:
        """Record that the person's turn ended."""
        self._seen.append(None)

    def cut_in(self, silence_s: float) -> None:
        """Undo the last end: the person resumed `silence_s` after their last speech sample."""
        for index in range(len(self._seen) - 1, -1, -1):
            if self._seen[index] is None:
                del self._seen[index]
                break
        self.went_on(silence_s)

    def threshold(self, rate: float = CUT_IN_RATE) -> float:
        """The shortest silence, in seconds, that would have cut into at most `rate` of the turns.

        It is short for a person who seldom pauses within a turn, and long for one who thinks aloud.
        """
        pauses = sorted((*PRIOR_PAUSES, *self.pauses), reverse=True)
        allowed = int(rate * (PRIOR_TURNS + self.turns) + 1e-9)
        return pauses[min(allowed, len(pauses) - 1)]

    def pace(self) -> float:
        """This person's `threshold` relative to the average speaker's; 1 if nothing is known yet."""
        return self.threshold() / PauseStatistics(0).threshold()
