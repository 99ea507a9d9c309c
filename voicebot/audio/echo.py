"""Is what a microphone brings an agent's own voice, back from a loudspeaker?

What agents send is known exactly. Both sounds become log energies of a few frequency bands,
a hop of 10 ms each. An echo follows what was sent at one lag and with one gain for each band,
whatever room, loudspeaker and microphone are: each band's mean taken away, the two agree at
that lag, and it stays. A person who speaks at the same time breaks the agreement. Energies of
the whole sound would not do: two hundred milliseconds are about a syllable, and some lag
always fits a syllable to another.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicebot.audio.frames import HEARING_RATE, OPUS_RATE, Pcm

HOP = 0.01
"""Seconds between two energies."""
LONGEST = 0.6
"""Seconds an echo takes at most: the network both ways, the browser's jitter buffer, a wireless speaker."""
WINDOW = 0.4
"""Seconds of sound that are compared."""
SHORTEST = 0.16
"""Seconds of it needed before anything is said."""
EDGES = (150, 300, 500, 750, 1050, 1450, 2000, 2800, 3800)
"""Hz between the bands; below and above, speakers and codecs differ most."""
RANGE = 7.0
"""Natural logarithms of energy (30 dB) below the loudest that count; what is softer is noise."""
FLOOR = 5.0
"""Logarithm of a band's energy (int16 units squared) that counts as silence at least."""
LEAST = 20.0
"""Sum of squared differences of a window's energies from their means that counts at least."""
EVEN = 0.58
"""Agreement (a correlation) at which echo and person are as likely as each other: in rooms of 0.15 to 0.4 s
of reverberation an echo had more in 19 windows of 20, another person's speech in one of ten."""
HABIT = 0.2
"""Half of it is how much less is needed where all was echo until now, and more where nothing was."""
SLOW = 0.06
"""Weight of the newest window in what it was until now (half a second)."""
STEEP = 18.0
"""How fast that turns into certainty."""
FORGET = 0.97
"""Of what is known about the lag, kept with every window of 32 ms (half of it after 0.7 s of sound)."""
SHARP = 6
"""Power of an agreement that counts for a lag: one good match says more than many poor ones."""
SPREAD = 2
"""Hops on either side of the most likely lag that belong to it: clocks drift, and rooms smear."""

Bands = NDArray[np.float64]
"""Log energies, shape (hops, bands)."""

_HOP = round(HEARING_RATE * HOP)
_FRAME = 2 * _HOP
_HANN = np.hanning(_FRAME)
_EDGES = np.round(np.array(EDGES) * _FRAME / HEARING_RATE).astype(int)
_BANDS = len(EDGES) - 1
_SCALE = 2.0 / (float((_HANN**2).sum()) * _FRAME)
_LAGS = round(LONGEST / HOP)
_WINDOW = round(WINDOW / HOP)
_SHORTEST = round(SHORTEST / HOP)
_DECIMATE = OPUS_RATE // HEARING_RATE
_MEAN = np.full(_DECIMATE, 1 / _DECIMATE)


class BandEnergies:
    """Consecutive sound at 16 kHz, in pieces of any length, as `Bands`."""

    def __init__(self) -> None:
        self._rest = np.zeros(_FRAME - _HOP)

    def feed(self, pcm: Pcm | NDArray[np.float64]) -> Bands:
        """The hops that these samples complete; each looks back over 20 ms."""
        sound = np.concatenate([self._rest, pcm])
        hops = (len(sound) - _FRAME) // _HOP + 1
        self._rest = sound[hops * _HOP :]
        if hops <= 0:
            return np.zeros((0, _BANDS))
        frames = np.lib.stride_tricks.sliding_window_view(sound, _FRAME)[::_HOP][:hops]
        power = np.abs(np.fft.rfft(frames * _HANN)) ** 2
        energy = np.add.reduceat(power[:, : _EDGES[-1]], _EDGES[:-1], axis=1)
        return np.asarray(np.log(energy * _SCALE + 1.0))


class EchoReference:
    """What the agents of a host have sent lately; one for all its microphones."""

    KEPT = 2 * (_LAGS + _WINDOW)
    """Hops remembered: the longest lag and the window, and as much again for packets that come late."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, Pcm]] = deque(maxlen=self.KEPT)
        """Those whose energies nobody has asked for yet, with the hops they begin at."""
        self._energies = BandEnergies()
        self._bands = np.zeros((self.KEPT, _BANDS))
        self._hops = np.full(self.KEPT, -1)
        self._next = -1
        self.newest = -1
        """The hop after the last one that was sent; -1 when nothing was."""

    def played(self, time: float, pcm: Pcm) -> None:
        """A frame is sent: the clock time its first sample is due, and mono int16 samples at 48 kHz.

        Frames are 10 ms long or a multiple of it. Agents that talk at once add up.
        """
        hop = round(time / HOP)
        self._frames.append((hop, pcm))
        self.newest = hop + _hops(pcm)

    def between(self, first: int, end: int) -> Bands:
        """Energies of these hops; 0 where nothing was sent."""
        while self._frames:
            hop, pcm = self._frames.popleft()
            together, following = [pcm], hop + _hops(pcm)
            while self._frames and self._frames[0][0] == following:
                together.append(self._frames.popleft()[1])
                following += _hops(together[-1])
            self._add(hop, np.concatenate(together))
        index = np.arange(first, end)
        slots = index % self.KEPT
        return np.where((self._hops[slots] == index)[:, None], self._bands[slots], 0.0)

    def _add(self, hop: int, pcm: Pcm) -> None:
        if hop != self._next:
            self._energies = BandEnergies()
        # a mean of three is filter enough below 3.8 kHz
        bands = self._energies.feed(pcm.reshape(-1, _DECIMATE) @ _MEAN)[-self.KEPT :]
        self._next = hop + _hops(pcm)
        index = np.arange(self._next - len(bands), self._next)
        slots = index % self.KEPT
        there = self._hops[slots] == index
        if there.any():
            bands = np.where(there[:, None], np.logaddexp(self._bands[slots], bands), bands)
        self._bands[slots] = bands
        self._hops[slots] = index


def _hops(pcm: Pcm) -> int:
    """In so many samples at 48 kHz."""
    return len(pcm) // (_HOP * _DECIMATE)


@dataclass(frozen=True)
class Match:
    """How well a window agrees with what was sent."""

    agreement: float
    """A correlation, -1 to 1, at the most likely lag."""
    lag: float
    """Seconds."""


class EchoGate:
    """One microphone: give it every window in order. All of a host share what was `sent`.

    A window costs next to nothing, being asked about one 0.2 ms while an agent can be heard.
    """

    def __init__(self, sent: EchoReference) -> None:
        self._sent = sent
        self._lags = np.zeros(_LAGS + 1)
        self._lately = 0.5
        self.last = Match(0.0, 0.0)
        """Of the newest window that was compared."""
        self._windows: deque[Pcm] = deque()
        """Those whose energies nobody has asked for yet."""
        self._energies = BandEnergies()
        self._heard: Bands = np.zeros((0, _BANDS))
        self._hop = 0
        """At which the newest window began."""
        self._end = -1.0
        """Where it ended, in hops."""

    def heard(self, time: float, pcm: Pcm) -> None:
        """The next window: the clock time of its first sample, and mono int16 at 16 kHz."""
        self._hop = round(time / HOP)
        if abs(self._hop - self._end) > SPREAD:
            self._forget()
            self._windows.clear()
            self._end = self._hop
        self._end += len(pcm) / _HOP
        self._windows.append(pcm)
        if (len(self._windows) - 1) * len(pcm) >= _WINDOW * _HOP:  # more than is compared
            self._windows.popleft()
            self._forget()

    def _forget(self) -> None:
        if len(self._heard):
            self._energies, self._heard = BandEnergies(), self._heard[:0]

    def likelihood(self) -> float:
        """How likely the newest window is an agent's voice, 0 to 1; 0 while no agent can be heard.

        What is known after 0.16 s of sound is little; 0.4 s are compared once there are as many.
        """
        if self._sent.newest < self._hop - _LAGS:  # nothing of it can be an echo
            return 0.0
        bands = self._energies.feed(np.concatenate(self._windows))
        self._windows.clear()
        self._heard = np.concatenate([self._heard, bands])[-_WINDOW:]
        if len(self._heard) < _SHORTEST:
            return 0.0
        end = int(self._end)
        sent = self._sent.between(end - len(self._heard) - _LAGS, end)
        agreement = _agreement(self._heard, sent)
        self._lags = self._lags * FORGET + np.maximum(agreement, 0.0) ** SHARP
        best = int(self._lags.argmax())
        near = agreement[max(0, best - SPREAD) : best + SPREAD + 1]
        self.last = Match(float(near.max()), (_LAGS - best) * HOP)
        even = EVEN + HABIT * (0.5 - self._lately)
        likelihood = float(1.0 / (1.0 + np.exp(-STEEP * (self.last.agreement - even))))
        self._lately += (likelihood - self._lately) * SLOW
        return likelihood


def _agreement(heard: Bands, sent: Bands) -> NDArray[np.float64]:
    """Correlation of `heard` with each stretch of `sent` of its length, the longest lag first."""
    count = len(heard)
    rows = np.ascontiguousarray(np.maximum(heard, max(float(heard.max()) - RANGE, FLOOR)).T)
    past = np.ascontiguousarray(np.maximum(sent, max(float(sent.max()) - RANGE, FLOOR)).T)
    rows -= rows.mean(axis=1, keepdims=True)
    both = np.zeros(len(sent) - count + 1)
    for one, other in zip(past, rows, strict=True):
        both += np.correlate(one, other, "valid")
    sums = np.zeros((2, _BANDS, len(sent) + 1))
    np.cumsum(past, axis=1, out=sums[0, :, 1:])
    np.cumsum(past * past, axis=1, out=sums[1, :, 1:])
    total, squares = sums[:, :, count:] - sums[:, :, :-count]
    spread = (squares - total * total / count).sum(axis=0)
    # a window that hardly changes (a hum) agrees with nothing
    return np.asarray(both / np.sqrt(np.maximum(spread, LEAST) * max(float((rows * rows).sum()), LEAST)))
