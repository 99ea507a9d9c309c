"""What a microphone brings besides questions: pauses, noise, coughs and "uh-huh". 48 kHz, -1 to 1."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

RATE, FRAME = 48_000, 960
Sound = NDArray[np.float32]


def speech(path: str | Path) -> Sound:
    """The WAV's speech without the silence around it, ending on a frame."""
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32)
        pcm = soxr.resample(pcm.reshape(-1, file.getnchannels()).mean(axis=1), file.getframerate(), RATE)
    pcm *= 0.7 / np.abs(pcm).max()
    levels = np.sqrt((pcm[: len(pcm) // 480 * 480].reshape(-1, 480) ** 2).mean(axis=1))
    loud = np.flatnonzero(levels > levels.max() / 18)  # 25 dB below the loudest 10 ms
    return framed(pcm[loud[0] * 480 : (loud[-1] + 1) * 480])


def framed(pcm: NDArray[np.floating]) -> Sound:
    """Silence before it, so that it ends on a frame."""
    return np.concatenate([np.zeros(-len(pcm) % FRAME), pcm]).astype(np.float32)


def paused(first: Sound, second: Sound, seconds: float) -> Sound:
    """Two halves of a sentence with exactly so much silence between."""
    first, second = (np.trim_zeros(half) for half in (first, second))
    return framed(np.concatenate([first, np.zeros(round(seconds * RATE)), second]))


def pink(seconds: float = 0.4, level: float = 0.2, seed: int = 1) -> Sound:
    """A burst of pink noise: something falls, a chair is moved."""
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    spectrum /= np.sqrt(np.maximum(1, np.arange(len(spectrum))))
    noise = np.fft.irfft(spectrum, count)
    return framed(level * noise / np.abs(noise).max())


def cough(level: float = 0.5, seed: int = 2) -> Sound:
    """Two bursts of noise around 700 Hz that break off sharply, as the opening glottis does."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(0.16 * RATE)) / RATE
    burst = rng.normal(size=len(time)) * np.exp(-time / 0.04) * np.minimum(1, time / 0.003)
    spectrum = np.fft.rfft(burst)
    frequencies = np.fft.rfftfreq(len(burst), 1 / RATE)
    spectrum *= 1 / (1 + ((frequencies - 700) / 600) ** 2)
    burst = np.fft.irfft(spectrum, len(burst))
    pause = np.zeros(round(0.09 * RATE))
    return framed(level * np.concatenate([burst, pause, 0.7 * burst]) / np.abs(burst).max())
