"""Recognises an agent's own voice that comes back through a loudspeaker and a microphone.

What agents send is known exactly. The sent and the received sound are both converted to log energies of a
few frequency bands, one per hop of 10 ms. In any room and with any loudspeaker and microphone, an echo
follows the sent sound at a constant lag and with a constant gain per band. So after the mean of each band
is subtracted, the two correlate at that lag. A person who speaks at the same time breaks the correlation.
The energy of the whole sound would not be enough: 200 ms is about a syllable, and at some lag any syllable
matches another.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicebot.audio.frames import HEARING_RATE, OPUS_RATE, Pcm

HOP = 0.01
"""Seconds per hop, that is between two energies."""
LONGEST = 0.6
"""The longest lag of an echo in seconds: network both ways, jitter buffer, wireless loudspeaker."""
WINDOW = 0.4
"""Seconds of sound that are compared."""
SHORTEST = 0.16
"""Seconds of sound that are needed for a comparison."""
EDGES = (150, 300, 500, 750, 1050, 1450, 2000, 2800, 3800)
"""Limits of the bands in Hz. Loudspeakers and codecs differ most below and above."""
RANGE = 7.0
"""Range below the loudest energy that counts, in natural logarithms (30 dB). Softer sound is noise."""
FLOOR = 5.0
"""Log energy of a band (int16 units squared) up to which it always counts as silence."""
LEAST = 20.0
"""Lower limit for the sum of squared deviations of a window's energies from their means."""
EVEN = 0.58
"""Correlation at which an echo and a person are equally likely. In rooms with 0.15 to 0.4 s of reverberation,
19 of 20 windows of an echo had more, and one of ten windows of another person's speech."""
HABIT = 0.2
"""Half of it is how much less is needed after echo only, and how much more after none."""
SLOW = 0.06
"""Weight of the newest window in that history (half a second)."""
STEEP = 18.0
"""Slope of the logistic function from correlation to likelihood."""
FORGET = 0.97
"""Factor of the weights of the lags per window of 32 ms (half after 0.7 s of sound)."""
SHARP = 6
"""Power of a correlation in the weight of its lag, so that one good match counts more than many poor ones."""
SPREAD = 2
"""Hops on either side of the most likely lag that belong to it, as clocks drift and rooms reverberate."""

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
    """Turns consecutive sound at 16 kHz, in pieces of any length, into `Bands`."""

    def __init__(self) -> None:
        self._rest = np.zeros(_FRAME - _HOP)

    def feed(self, pcm: Pcm | NDArray[np.float64]) -> Bands:
        """The energies of the hops that these samples (shape (n,)) complete; each covers the last 20 ms."""
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
    """What the agents of a host sent lately, for all its microphones."""

    KEPT = 2 * (_LAGS + _WINDOW)
    """Number of hops kept: the longest lag and the window, twice, because packets may come late."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, Pcm]] = deque(maxlen=self.KEPT)
        """The frames that are not analysed yet, each with its first hop."""
        self._energies = BandEnergies()
        self._bands = np.zeros((self.KEPT, _BANDS))
        self._hops = np.full(self.KEPT, -1)
        self._next = -1
        self.newest = -1
        """The hop after the last sent one; -1 if nothing was sent."""

    def played(self, time: float, pcm: Pcm) -> None:
        """Add a sent frame: the clock time of its first sample, and mono int16 at 48 kHz, shape (n,).

        A frame is a multiple of 10 ms long. The energies of agents that talk at once are added.
        """
        hop = round(time / HOP)
        self._frames.append((hop, pcm))
        self.newest = hop + _hops(pcm)

    def between(self, first: int, end: int) -> Bands:
        """The energies of the hops from `first` to `end` (excluded); 0 where nothing was sent."""
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
        # below 3.8 kHz, a mean of three samples is a sufficient filter
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
    """The number of hops in these samples at 48 kHz."""
    return len(pcm) // (_HOP * _DECIMATE)


@dataclass(frozen=True)
class Match:
    """How well a window correlates with the sent sound."""

    agreement: float
    """Correlation (-1 to 1) at the most likely lag."""
    lag: float
    """That lag in seconds."""


class EchoGate:
    """Recognises echo in the audio of one microphone. It needs every window, in order.

    `heard` costs almost nothing; `likelihood` takes 0.2 ms while an agent may be heard. All gates of a host
    share one `EchoReference`.
    """

    def __init__(self, sent: EchoReference) -> None:
        self._sent = sent
        self._lags = np.zeros(_LAGS + 1)
        self._lately = 0.5
        self.last = Match(0.0, 0.0)
        """The result for the newest window that was compared."""
        self._windows: deque[Pcm] = deque()
        """The windows that are not analysed yet."""
        self._energies = BandEnergies()
        self._heard: Bands = np.zeros((0, _BANDS))
        self._hop = 0
        """The hop at which the newest window begins."""
        self._end = -1.0
        """The end of the newest window, in hops."""

    def heard(self, time: float, pcm: Pcm) -> None:
        """Take the next window: the clock time of its first sample, and mono int16 at 16 kHz, shape (n,)."""
        self._hop = round(time / HOP)
        if abs(self._hop - self._end) > SPREAD:
            self._forget()
            self._windows.clear()
            self._end = self._hop
        self._end += len(pcm) / _HOP
        self._windows.append(pcm)
        if (len(self._windows) - 1) * len(pcm) >= _WINDOW * _HOP:  # more than what is compared
            self._windows.popleft()
            self._forget()

    def _forget(self) -> None:
        if len(self._heard):
            self._energies, self._heard = BandEnergies(), self._heard[:0]

    def likelihood(self) -> float:
        """The likelihood (0 to 1) that the newest window is an agent's voice; 0 while none can be heard.

        It compares up to 0.4 s of sound. After 0.16 s, it is still uncertain.
        """
        if self._sent.newest < self._hop - _LAGS:  # too old for an echo
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
    """The correlation of `heard` with `sent` at each lag, the longest first; shape (lags,)."""
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
    # a window that hardly changes (a hum) correlates with nothing
    return np.asarray(both / np.sqrt(np.maximum(spread, LEAST) * max(float((rows * rows).sum()), LEAST)))
