"""CMU Flite, if its program is installed: small, clear, offline English voices."""

from __future__ import annotations

import asyncio
import contextlib
import io
import shutil
import signal
import unicodedata
import wave
from collections.abc import AsyncIterator
from typing import Self

import numpy as np
import soxr
from numpy.typing import NDArray

from voicebot.errors import MissingDependency, ModelFailed, ModelLoadError, UnknownModel
from voicebot.registry import Availability, Progress, did_you_mean, no_progress
from voicebot.settings import Settings
from voicebot.tts.base import VoiceStyle
from voicebot.tts.voices import pick_voice, with_volume

VOICES = ("slt", "rms", "awb", "kal16", "kal")
"""The voices of the standard build, nicest first."""
RATE = 16_000
TIMEOUT = 30.0
"""Seconds one run may take; a sentence takes 0.1."""
MAX_TEXT = 20_000
"""Characters of one run: the text is a command-line argument, and those are limited."""
INSTALL = "Install it (Debian, Ubuntu: apt install flite; macOS: brew install flite)."
OTHERWISE = "If this happens again, set TTS_MODEL to another model."


async def _run(program: str, *arguments: str) -> bytes:
    """Run flite off the loop, killed when the task is cancelled; its standard output."""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ModelFailed(f"flite cannot be run: {error}.", hint=INSTALL) from error
    try:
        async with asyncio.timeout(TIMEOUT):
            out, err = await process.communicate()
    except TimeoutError:
        raise ModelFailed(f"flite produced no speech within {TIMEOUT:.0f} s.", hint=OTHERWISE) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        code = process.returncode
        why = err.decode(errors="replace").strip() or (
            signal.Signals(-code).name if code < 0 else f"exit code {code}"
        )
        raise ModelFailed(f"flite failed: {why}.", hint=OTHERWISE)
    return out


class FliteTTS:
    """`flite` (the persona's seed chooses the voice) or `flite:<voice>`."""

    sample_rate = RATE

    def __init__(self, program: str, voices: tuple[str, ...], fixed: str = "") -> None:
        self._program = program
        self.voices = (fixed,) if fixed else voices
        self.name = f"flite:{fixed}" if fixed else "flite"

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return VOICES

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        if shutil.which("flite") is None:
            return Availability("missing", "the program flite is not installed", INSTALL)
        return Availability("ready", "installed, English only, works offline")

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        program = shutil.which("flite")
        if program is None:
            raise MissingDependency("The program flite is not installed.", hint=INSTALL)
        progress("Looking at flite's voices", None)
        try:
            listing = (await _run(program, "-lv")).decode(errors="replace")
        except ModelFailed as error:
            raise ModelLoadError(error.message, hint=error.hint) from error
        built_in = listing.partition(":")[2].split()
        voices = tuple(voice for voice in VOICES if voice in built_in) or tuple(built_in)
        if not voices:
            raise ModelLoadError("This flite has no voices.", hint=INSTALL)
        if model and model not in built_in:
            raise UnknownModel(
                f"flite has no voice {model!r}.",
                hint=did_you_mean(model, built_in, 1) + f"It has: {', '.join(voices)}.",
            )
        progress("flite is ready", 1.0)
        return cls(program, voices, model)

    async def synthesize(self, text: str, style: VoiceStyle) -> AsyncIterator[NDArray[np.int16]]:
        # its English voices read ASCII: é becomes e, characters without such a form are dropped
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().replace("\0", " ")
        if not any(character.isalnum() for character in plain):
            return
        wav = await _run(
            self._program,
            *("-voice", pick_voice(style, self.voices)),
            *("--setf", f"duration_stretch={1 / min(2.0, max(0.5, style.rate)):.3f}"),
            *("--setf", f"f0_shift={2 ** (min(12.0, max(-12.0, style.pitch)) / 12):.3f}"),
            *("-t", plain[:MAX_TEXT], "-o", "/dev/stdout"),
        )
        try:
            with wave.open(io.BytesIO(wav)) as reader:
                rate = reader.getframerate()
                pcm = np.frombuffer(reader.readframes(reader.getnframes()), np.int16)
        except (wave.Error, EOFError) as error:
            raise ModelFailed(f"flite did not produce a WAV file: {error}.", hint=OTHERWISE) from error
        if rate != RATE:
            pcm = np.asarray(soxr.resample(pcm, rate, RATE), np.int16)
        if pcm.size:
            yield with_volume(pcm, style.volume)

    async def aclose(self) -> None:
        """Nothing to free: each sentence runs in its own process."""
