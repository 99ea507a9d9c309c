from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pocketsphinx import Decoder

from voicebot.settings import Settings
from voicebot.stt.pocketsphinx.worker import LEVEL_WINDOW, RATE, Level, Transcriber, Word
from voicebot.tts.base import VoiceStyle
from voicebot.tts.flite import FliteTTS

pytestmark = pytest.mark.needs("flite")
settings = Settings(_env_file=None)  # type: ignore[call-arg]
WINDOW = 1024
"""Bytes that come at once: the 32 ms of a voice activity window."""


class Counting(Transcriber):
    """Remembers how much audio every accurate pass was given."""

    def __init__(self) -> None:
        self.passes: list[int] = []
        super().__init__(Decoder(samprate=RATE, loglevel="FATAL"))

    def _decode(self, audio: bytes) -> list[Word]:
        self.passes.append(len(audio))
        return super()._decode(audio)

    def hear(self, pcm: NDArray[np.int16]) -> None:
        """As the worker does when it keeps up with speech."""
        data = pcm.tobytes()
        for start in range(0, len(data), WINDOW):
            self.add(data[start : start + WINDOW])
            while self.behind:
                self.advance()
            if self.paused:
                self.anticipate()


async def speech(text: str) -> NDArray[np.int16]:
    tts = await FliteTTS.load("slt", settings)
    return np.concatenate([piece async for piece in tts.synthesize(text, VoiceStyle())])


def quiet(seconds: float) -> NDArray[np.int16]:
    """A room's noise."""
    return np.random.default_rng(3).normal(0, 8, int(seconds * RATE)).astype(np.int16)


def text(words: list[Word]) -> str:
    return " ".join(word[0] for word in words)


async def test_the_result_is_ready_when_the_utterance_ends() -> None:
    transcriber = Counting()
    transcriber.begin()
    transcriber.hear(np.concatenate([quiet(0.3), await speech("hello world"), quiet(0.4)]))
    assert len(transcriber.passes) == 1
    early = transcriber.partial()
    assert text(early) == "hello world"
    assert transcriber.finish() == early
    assert len(transcriber.passes) == 1


async def test_continued_speech_is_decoded_as_one() -> None:
    transcriber = Counting()
    transcriber.begin()
    first, second = await speech("hello world"), await speech("what is the weather in paris")
    transcriber.hear(np.concatenate([quiet(0.3), first, quiet(0.3)]))
    assert text(transcriber.partial()) == "hello world"
    transcriber.hear(np.concatenate([second, quiet(0.02)]))
    live = transcriber.partial()
    assert text(live).startswith("hello world ")
    times = [time for _, start, end, _ in live for time in (start, end)]
    assert times == sorted(times)
    words = transcriber.finish()
    assert text(words) == "hello world what is the weather in paris"
    whole = 2 * (len(first) + len(second) + int(0.62 * RATE))
    assert transcriber.passes[-1] == pytest.approx(whole, abs=8)
    assert words[-1][2] <= whole / 2 / RATE
    transcriber.begin()
    assert transcriber.finish() == []


async def test_a_word_after_a_pause_survives_when_all_audio_comes_at_once() -> None:
    transcriber = Counting()
    transcriber.begin()
    transcriber.hear(np.concatenate([quiet(0.3), await speech("hello"), quiet(0.3)]))
    assert text(transcriber.partial()) == "hello"
    for pcm in (await speech("world"), quiet(0.6)):
        transcriber.add(pcm.tobytes())
    assert text(transcriber.finish()) == "hello world"


def test_silence_is_measured_against_the_loudest_part() -> None:
    tone = (8000 * np.sin(np.arange(RATE // 2) * 0.2)).astype(np.int16)
    level = Level()
    level.add(quiet(0.5).tobytes())
    assert not level.heard
    level.add(tone.tobytes())
    assert (level.heard, level.silence) == (True, 0.0)
    data = quiet(0.3).tobytes()
    for start in range(0, len(data), 100):  # odd sizes
        level.add(data[start : start + 100])
    assert level.silence == pytest.approx(0.3, abs=2 * LEVEL_WINDOW / 2 / RATE)
    level.add((tone // 10).tobytes())  # softer, and still speech
    assert level.silence == 0.0


def test_silence_needs_no_accurate_pass() -> None:
    transcriber = Counting()
    transcriber.begin()
    transcriber.hear(quiet(1.0))
    assert transcriber.passes == []
    assert transcriber.finish() == []


async def test_finish_reuses_the_draft_without_another_pass() -> None:
    transcriber = Counting()
    transcriber.begin()
    transcriber.add(np.concatenate([quiet(0.3), await speech("hello world"), quiet(0.1)]).tobytes())
    draft = transcriber.draft()
    assert text(draft) == "hello world"
    transcriber.hear(quiet(1.5))
    assert transcriber.draft() == draft
    assert transcriber.finish() == draft
    assert len(transcriber.passes) == 1
