"""Speech that recognisers understand, for tests, made by flite (a Debian package)."""

from __future__ import annotations

import shutil
import subprocess
import wave
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soxr
from numpy.typing import NDArray

from voicebot.errors import MissingDependency

FLITE_RATE = 16_000


def speak(text: str, *, voice: str = "slt", sample_rate: int = FLITE_RATE) -> NDArray[np.int16]:
    """Speak a text: mono int16 at `sample_rate` Hz, shape (n,). Raises MissingDependency without flite."""
    return np.array(soxr.resample(_flite(text, voice), FLITE_RATE, sample_rate))


def speak_file(path: Path, text: str, *, voice: str = "slt", before: float = 0.0, after: float = 0.0) -> Path:
    """Write the text to a WAV file (48 kHz) with seconds of silence before and after it; returns the path.

    Chromium's fake microphone can play it. Raises MissingDependency without flite.
    """
    rate = 48_000
    whole = np.pad(speak(text, voice=voice, sample_rate=rate), (int(before * rate), int(after * rate)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.astype("<i2").tobytes())
    return path


@cache
def _flite(text: str, voice: str) -> NDArray[np.int16]:
    program = shutil.which("flite")
    if program is None:
        raise MissingDependency("flite is not installed.", hint="On Debian: sudo apt install flite")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = [program, "-voice", voice, "-t", text, "-o", str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        with wave.open(str(path)) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
            return np.asarray(soxr.resample(pcm, file.getframerate(), FLITE_RATE))
