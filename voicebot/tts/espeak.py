"""The embedded text-to-speech backend: espeak-ng, a hundred languages, offline, robotic."""

from __future__ import annotations

import asyncio
import difflib
import importlib.util
import threading
from collections.abc import AsyncIterator
from typing import Self

import numpy as np
from numpy.typing import NDArray

from voicebot.errors import MissingDependency, ModelLoadError, UnknownModel
from voicebot.registry import Availability, Progress, no_progress
from voicebot.settings import Settings
from voicebot.tts.base import VoiceStyle
from voicebot.tts.espeak_library import EspeakLibrary, Utterance
from voicebot.tts.voices import pick_voice, plain_text, with_volume

DEFAULT_LANGUAGE = "en-us"
OFFERED = ("en-us", "en-gb", "de", "fr-fr", "es", "it", "pt-br", "nl", "pl", "cmn")
VARIANTS = ("m3", "f2", "m7", "f5", "m1", "Annie", "m5", "f1", "Mike", "f3", "m2", "steph", "m8", "f4")
"""espeak-ng's own voice variants that sound like a person and unlike each other."""
WORDS_PER_MINUTE = 165
SEMITONES_PER_STEP = 12 / 50
"""espeak's pitch goes from 0 to 100 over two octaves, 50 being the voice's own."""


class EspeakTTS:
    """`espeak` or `espeak:<language>`; every agent gets a variant of its own."""

    def __init__(self, library: EspeakLibrary, language: str) -> None:
        self._library = library
        self._voice = library.voices[language]
        self.name = f"espeak:{language}"
        self.sample_rate = library.sample_rate

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return OFFERED

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        if importlib.util.find_spec("espeakng_loader") is None:
            return Availability("missing", "espeakng-loader is not installed", "pip install espeakng-loader")
        return Availability("ready", "embedded, works offline")

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        found = cls.availability(model, settings)
        if found.status == "missing":
            raise MissingDependency(f"{found.reason}.", hint=f"{found.hint}.")
        progress("Loading espeak-ng", None)
        library = await asyncio.to_thread(EspeakLibrary.shared)
        language = model.lower() or DEFAULT_LANGUAGE
        if language not in library.voices:
            near = difflib.get_close_matches(language, library.voices, 3) or OFFERED
            raise UnknownModel(
                f"espeak-ng has no language {model!r}.",
                hint=f"Did you mean {', '.join(near)}? It has: {', '.join(library.voices)}.",
            )
        if language not in OFFERED and not await asyncio.to_thread(library.speaks, language):
            raise ModelLoadError(
                f"espeak-ng lists the language {language!r}, but has no dictionary for it.",
                hint=f"Choose another: {', '.join(OFFERED)}.",
            )
        progress("espeak-ng is ready", 1.0)
        return cls(library, language)

    async def synthesize(self, text: str, style: VoiceStyle) -> AsyncIterator[NDArray[np.int16]]:
        if not text.strip():
            return
        # agents beyond the number of variants still differ a little in pitch
        lap = (style.seed // len(VARIANTS)) % 5 - 2 if not style.voice else 0
        semitones = style.pitch + lap
        utterance = Utterance(
            plain_text(text),
            f"{self._voice}+{pick_voice(style, VARIANTS)}",
            words_per_minute=round(min(450, max(80, WORDS_PER_MINUTE * style.rate))),
            pitch=round(min(100, max(0, 50 + semitones / SEMITONES_PER_STEP))),
        )
        stopped = threading.Event()
        try:
            pcm = await asyncio.to_thread(self._library.synthesize, utterance, stopped.is_set)
        finally:
            stopped.set()
        if pcm.size:
            yield with_volume(pcm, style.volume)

    async def aclose(self) -> None:
        """Nothing to free: the library is shared by the process."""
