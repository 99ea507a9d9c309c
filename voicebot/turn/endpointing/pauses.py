"""How one person pauses: the silences they went on from, and those that ended a turn."""

from __future__ import annotations

from collections import deque

PRIOR_PAUSES = (0.12, 0.15, 0.18, 0.2, 0.23, 0.26, 0.3, 0.34, 0.39, 0.45, 0.6, 0.9)
"""Seconds: an average speaker's pauses in `PRIOR_TURNS` turns after words that could have been the last.

Their spread follows Campione and Véronis 2002 (A large-scale comparative study of silent pause
duration): log-normal, most silent pauses between 0.2 and 1 s, few longer. How many they are, and that
a tenth of the turns has one beyond 0.45 s, is ours: `EndpointingSettings.delay` (0.5) lies just above.
"""
PRIOR_TURNS = 20
"""They weigh as much as twenty turns of this speaker."""
REMEMBERED = 100
"""The newest pauses and turn ends that count; a conversation's pace changes (ours)."""
CUT_IN_RATE = 0.1
"""The share of a speaker's turns that a silence may cut into. Ours; Raux and Eskenazi 2008 (Optimizing
endpointing thresholds using dialogue features) state an endpointer's latency at such a rate."""


class PauseStatistics:
    """Bounded, robust (order statistics only), and starting from an average speaker. Not thread-safe."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._seen: deque[float | None] = deque(maxlen=remembered)
        """A pause's seconds, or None for a turn that ended."""

    @property
    def pauses(self) -> tuple[float, ...]:
        """Seconds of the remembered pauses that were gone on from, oldest first."""
        return tuple(seconds for seconds in self._seen if seconds is not None)

    @property
    def turns(self) -> int:
        """Remembered turns that ended."""
        return sum(seconds is None for seconds in self._seen)

    def went_on(self, silence_s: float) -> None:
        """The person went on speaking after so much silence."""
        self._seen.append(max(0.0, silence_s))

    def ended(self) -> None:
        """The person's turn ended."""
        self._seen.append(None)

    def cut_in(self, silence_s: float) -> None:
        """The last end was none: the person went on `silence_s` after their last sample."""
        for index in range(len(self._seen) - 1, -1, -1):
            if self._seen[index] is None:
                del self._seen[index]
                break
        self.went_on(silence_s)

    def threshold(self, rate: float = CUT_IN_RATE) -> float:
        """The shortest silence, in seconds, that would have cut into at most `rate` of the turns.

        Whoever pauses seldom within a turn gets a short one, whoever thinks aloud a long one.
        """
        pauses = sorted((*PRIOR_PAUSES, *self.pauses), reverse=True)
        allowed = int(rate * (PRIOR_TURNS + self.turns) + 1e-9)
        return pauses[min(allowed, len(pauses) - 1)]

    def pace(self) -> float:
        """This person's `threshold` as a multiple of the average speaker's; 1 when nothing is known."""
        return self.threshold() / PauseStatistics(0).threshold()
