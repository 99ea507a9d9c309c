"""The embedded text-to-speech backend: espeak-ng, a hundred languages, offline, robotic."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
import unicodedata
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from voicebot.errors import MissingDependency, ModelLoadError, UnknownModel
from voicebot.registry import Availability, Progress, did_you_mean, no_progress
from voicebot.settings import Settings
from voicebot.tts.base import VoiceStyle, WordTime
from voicebot.tts.espeak_library import EspeakLibrary, Mark
from voicebot.tts.voices import pick_voice, plain_text, with_volume

DEFAULT_LANGUAGE = "en-us"
OFFERED = ("en-us", "en-gb", "de", "fr-fr", "es", "it", "pt-br", "nl", "pl", "cmn")
VARIANTS = ("m3", "f2", "m7", "f5", "m1", "Annie", "m5", "f1", "Mike", "f3", "m2", "steph", "m8", "f4")
"""espeak-ng's voice variants that sound human and distinct."""
WORDS_PER_MINUTE = 165
AUDIBLE = 300
"""Level (-40 dBFS) below which audio is the pause after a word."""
SEMITONES_PER_STEP = 12 / 50
"""espeak's pitch runs from 0 to 100 over two octaves; 50 is the voice's own."""


class EspeakTTS:
    """`espeak` or `espeak:<language>`; each agent gets its own variant."""

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
        return Availability("ready", "built in, works offline")

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        found = cls.availability(model, settings)
        if found.status == "missing":
            raise MissingDependency(f"{found.reason}.", hint=f"{found.hint}.")
        progress("Loading espeak-ng", None)
        library = await asyncio.to_thread(EspeakLibrary.shared)
        language = model.lower() or DEFAULT_LANGUAGE
        if language not in library.voices:
            raise UnknownModel(
                f"espeak-ng has no language {model!r}.",
                hint=did_you_mean(language, library.voices) + f"It has: {', '.join(library.voices)}.",
            )
        if language not in OFFERED and not await asyncio.to_thread(library.speaks, language):
            raise ModelLoadError(
                f"espeak-ng lists the language {language!r}, but has no dictionary for it.",
                hint=f"Choose another: {', '.join(OFFERED)}.",
            )
        progress("espeak-ng is ready", 1.0)
        return cls(library, language)

    async def synthesize(self, text: str, style: VoiceStyle) -> AsyncIterator[NDArray[np.int16] | WordTime]:
        if not text.strip():
            return
        # when the variants run out, agents still differ a little in pitch
        lap = (style.seed // len(VARIANTS)) % 5 - 2 if not style.voice else 0
        semitones = style.pitch + lap
        text, stopped = plain_text(text), threading.Event()
        try:
            pcm, marks = await asyncio.to_thread(
                self._library.synthesize,
                text,
                f"{self._voice}+{pick_voice(style, VARIANTS)}",
                stopped.is_set,
                words_per_minute=round(min(450, max(80, WORDS_PER_MINUTE * style.rate))),
                pitch=round(min(100, max(0, 50 + semitones / SEMITONES_PER_STEP))),
            )
        finally:
            stopped.set()
        if pcm.size:
            yield with_volume(pcm, style.volume)
            for word in word_times(text, marks, pcm, self.sample_rate):
                yield word

    async def aclose(self) -> None:
        """Nothing to free: the library is shared by the process."""


def word_times(
    text: str, marks: Sequence[Mark], pcm: NDArray[np.int16], sample_rate: int
) -> Iterator[WordTime]:
    """When each word of `text` begins and stops being audible.

    espeak-ng takes a number or a price for several words; here, text without a blank is one word.
    """
    starts: list[tuple[int, int]] = []  # in the text, in the audio
    for mark in marks:
        start = _beginning(text, mark.position)
        if not starts or start > starts[-1][0]:
            starts.append((start, mark.sample))
    if not starts:  # "..." is a pause
        return
    starts[0] = (0, starts[0][1])  # a dash before the first word
    audible = np.flatnonzero(np.abs(pcm.astype(np.int32)) > AUDIBLE)
    ends = [*starts[1:], (len(text), len(pcm))]
    for (start, sample), (end, until) in zip(starts, ends, strict=True):
        last = int(np.searchsorted(audible, until)) - 1
        heard = int(audible[last]) + 1 if last >= 0 else until
        yield WordTime(text[start:end].strip(), sample / sample_rate, max(sample, heard) / sample_rate)


def _beginning(text: str, position: int) -> int:
    """Where the word at `position` begins; in Chinese every character is a word."""
    if unicodedata.east_asian_width(text[position : position + 1] or " ") == "W":
        return position
    while position > 0 and not text[position - 1].isspace():
        position -= 1
    return position
