"""Streams with a scripted Whisper: each word is a buzz of its own loudness, and a cut-off one is misheard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voicebot.errors import ModelFailed
from voicebot.stt.base import STT_RATE, TimedWord, Transcription
from voicebot.stt.faster_whisper.decoder import WINDOW, Hypothesis, Window
from voicebot.stt.faster_whisper.stream import LONGEST, TRIM, WhisperStream

SAID, PAUSE = 4000, 1600
"""Samples of a word and of what follows it."""
SENTENCE = 5
LOUDEST = 8000


def quiet(seconds: float) -> NDArray[np.int16]:
    return np.zeros(int(seconds * STT_RATE), np.int16)


def speech(count: int, first: int = 0) -> NDArray[np.int16]:
    """So many words, three a second."""
    buzz = np.where(np.arange(SAID) % 16 < 8, 1, -1)
    return np.concatenate(
        [np.concatenate([buzz * (LOUDEST - n), np.zeros(PAUSE)]) for n in range(first, first + count)]
    ).astype(np.int16)


def word(number: int) -> str:
    return f" w{number}" + ("." if number % SENTENCE == SENTENCE - 1 else "")


def recognise(window: Window) -> Hypothesis:
    """The words in it; one that is not whole is heard as something else."""
    assert len(window.pcm) <= WINDOW * STT_RATE
    level = np.abs(window.pcm.astype(int))
    edges = np.flatnonzero(np.diff(level, prepend=0, append=0))
    heard = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        text = word(LOUDEST - int(level[start])) if end - start == SAID else " half"
        heard.append(TimedWord(text, start / STT_RATE, end / STT_RATE, 0.9))
    return Hypothesis(tuple(heard), window.language or "de")


class Whisper:
    """Hears at once what is urgent, and what is not when the test lets it."""

    def __init__(self, recognise: Callable[[Window], Hypothesis] = recognise) -> None:
        self.recognise = recognise
        self.urgent: list[Window] = []
        self.partial: list[Window] = []
        self.asked: list[tuple[Callable[[], Window | None], asyncio.Future[Hypothesis | None]]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    def stream(self, language: str = "") -> WhisperStream:
        return WhisperStream(self.hear, self.glimpse, language)

    async def hear(self, window: Window) -> Hypothesis:
        self.urgent.append(window)
        await self.gate.wait()
        return self.recognise(window)

    def glimpse(self, take: Callable[[], Window | None]) -> asyncio.Future[Hypothesis | None]:
        future: asyncio.Future[Hypothesis | None] = asyncio.get_running_loop().create_future()
        self.asked.append((take, future))
        return future

    async def find_time(self) -> None:
        """Decode the partial window that waits, if one does."""
        for take, future in self.asked:
            window = take()
            if window is not None:
                self.partial.append(window)
            if not future.done():
                future.set_result(None if window is None else self.recognise(window))
        self.asked.clear()
        await asyncio.sleep(0)


def push(stream: WhisperStream, pcm: NDArray[np.int16]) -> None:
    """As it comes in: 32 ms after 32 ms."""
    for start in range(0, len(pcm), 512):
        stream.push(pcm[start : start + 512])


def text(transcription: Transcription | None) -> str:
    return transcription.text if transcription is not None else ""


def spoken(count: int, first: int = 0) -> str:
    return "".join(word(number) for number in range(first, first + count)).strip()


async def test_interim_transcripts_grow_while_somebody_speaks() -> None:
    whisper = Whisper()
    stream = whisper.stream("en")
    shown = []
    for start in range(0, len(pcm := speech(6)), 1600):
        stream.push(pcm[start : start + 1600])
        await whisper.find_time()
        shown.append(text(stream.interim()))
    assert shown[0] == ""
    assert any(one.endswith("half") for one in shown)
    assert shown[-1].startswith(spoken(5))
    assert {window.language for window in whisper.partial} == {"en"}
    assert text(await stream.finish()) == spoken(6)


async def test_word_times_count_from_the_start_of_the_utterance() -> None:
    whisper = Whisper()
    stream = whisper.stream()
    stream.push(quiet(1.0))
    stream.push(speech(4))
    stream.push(quiet(0.7))
    heard = await stream.finish()
    assert [one.text for one in heard.words] == ["w0", "w1", "w2", "w3"]
    for number, one in enumerate(heard.words):
        assert one.start == pytest.approx(1.0 + number * (SAID + PAUSE) / STT_RATE, abs=0.001)
        assert one.end == pytest.approx(one.start + SAID / STT_RATE, abs=0.001)
    (window,) = whisper.urgent
    assert len(window.pcm) < len(speech(4)) + 0.5 * STT_RATE  # the silence around it is not decoded


async def test_at_most_one_interim_decode_waits_and_none_starts_in_a_pause() -> None:
    whisper = Whisper()
    stream = whisper.stream()
    push(stream, speech(20))
    assert len(whisper.asked) == 1  # the model has found no time yet
    await whisper.find_time()
    assert len(whisper.partial[0].pcm) == pytest.approx(20 * (SAID + PAUSE), abs=PAUSE)  # the newest
    push(stream, quiet(1.0))
    assert whisper.asked == []
    stream.cancel()


async def test_finish_reuses_the_draft_if_only_silence_followed() -> None:
    whisper = Whisper()
    stream = whisper.stream()
    stream.push(speech(3))
    stream.push(quiet(0.1))
    draft = await stream.draft()
    assert text(draft) == spoken(3)
    stream.push(quiet(1.0))
    assert await stream.draft() is draft
    assert await stream.finish() is draft
    assert len(whisper.urgent) == 1


async def test_continued_speech_invalidates_the_draft() -> None:
    whisper = Whisper()
    stream = whisper.stream()
    stream.push(np.concatenate([speech(3), quiet(0.1)]))
    assert text(await stream.draft()) == spoken(3)
    stream.push(speech(2, first=3))
    assert text(await stream.finish()) == spoken(5)
    assert len(whisper.urgent) == 2


async def test_a_running_draft_is_shared_and_cancelled_when_nobody_waits() -> None:
    whisper = Whisper()
    whisper.gate.clear()
    stream = whisper.stream()
    stream.push(np.concatenate([speech(3), quiet(0.2)]))
    drafting = asyncio.ensure_future(stream.draft())
    await asyncio.sleep(0)
    finishing = asyncio.ensure_future(stream.finish())
    await asyncio.sleep(0)
    drafting.cancel()
    await asyncio.wait([drafting])
    whisper.gate.set()
    assert text(await finishing) == spoken(3)
    assert len(whisper.urgent) == 1

    whisper.gate.clear()
    stream = whisper.stream()
    stream.push(np.concatenate([speech(3), quiet(0.2)]))
    drafting = asyncio.ensure_future(stream.draft())
    while len(whisper.urgent) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    drafting.cancel()
    await asyncio.wait([drafting])
    whisper.gate.set()
    assert text(await stream.finish()) == spoken(3)
    assert len(whisper.urgent) == 3


async def test_a_failed_draft_is_tried_again_at_the_end() -> None:
    calls: list[Window] = []

    def fails_once(window: Window) -> Hypothesis:
        calls.append(window)
        if len(calls) == 1:
            raise ModelFailed("scripted")
        return recognise(window)

    stream = Whisper(fails_once).stream()
    stream.push(np.concatenate([speech(2), quiet(0.2)]))
    with pytest.raises(ModelFailed, match="scripted"):
        await stream.draft()
    assert text(await stream.finish()) == spoken(2)


async def test_the_language_is_detected_once_on_enough_speech() -> None:
    whisper = Whisper()
    stream = whisper.stream()
    for number in range(9):
        push(stream, speech(1, first=number))
        await whisper.find_time()
    known = [window.language for window in whisper.partial]
    assert known == sorted(known)
    assert set(known) == {"", "de"}
    assert all(len(window.pcm) < 2.5 * STT_RATE for window in whisper.partial if not window.language)
    assert (await stream.finish()).language == "de"
    assert whisper.urgent[-1].language == "de"


async def test_silence_is_not_decoded() -> None:
    whisper = Whisper()
    stream = whisper.stream()
    stream.push(quiet(2.0))
    assert await stream.draft() == Transcription("")
    assert await stream.finish() == Transcription("")
    assert (whisper.urgent, whisper.asked) == ([], [])


async def test_hallucinations_on_faint_noise_are_dropped() -> None:
    def subtitles(window: Window) -> Hypothesis:
        return Hypothesis((TimedWord(" Thank", 0, 0.1), TimedWord(" you.", 0.1, 0.2)), "en")

    for level, expected in ((60, ""), (3000, "Thank you.")):
        stream = Whisper(subtitles).stream()
        stream.push(np.random.default_rng(1).normal(0, level, STT_RATE).astype(np.int16))
        assert text(await stream.finish()) == expected


async def test_long_speech_is_trimmed_after_sentences_without_loss() -> None:
    whisper = Whisper()
    stream = whisper.stream()
    count = 120  # 42 s
    for number in range(count):
        push(stream, speech(1, first=number))
        await whisper.find_time()
    assert max(len(window.pcm) for window in whisper.partial) < TRIM + 3 * STT_RATE
    heard = await stream.finish()
    assert heard.text == spoken(count)
    assert heard.words[-1].start == pytest.approx((count - 1) * (SAID + PAUSE) / STT_RATE, abs=0.001)


async def test_long_speech_without_interim_decodes_is_cut_at_quiet_places() -> None:
    whisper = Whisper()
    stream = whisper.stream()
    stream.push(speech(240))
    assert text(await stream.finish()) == spoken(240)
    assert len(whisper.urgent) == 4
    assert max(len(window.pcm) for window in whisper.urgent) <= LONGEST


@settings(max_examples=15, deadline=None)
@given(
    count=st.integers(1, 80),
    chunks=st.lists(st.integers(300, 40_000), min_size=1, max_size=20),
    finds_time=st.lists(st.booleans(), min_size=1, max_size=20),
)
def test_the_final_transcript_depends_on_neither_chunks_nor_interim_decodes(
    count: int, chunks: Sequence[int], finds_time: Sequence[bool]
) -> None:
    async def run() -> None:
        whisper = Whisper()
        stream = whisper.stream()
        pcm = speech(count)
        committed: list[str] = []
        at = step = 0
        while at < len(pcm):
            size = chunks[step % len(chunks)]
            stream.push(pcm[at : at + size])
            if finds_time[step % len(finds_time)]:
                await whisper.find_time()
            now = [one.text for one in stream._agreement.committed]
            assert now[: len(committed)] == committed
            assert text(stream.interim()).startswith("".join(now).strip())
            committed = now
            at += size
            step += 1
        heard = await stream.finish()
        assert heard.text == spoken(count)
        starts = [one.start for one in heard.words]
        assert starts == pytest.approx([n * (SAID + PAUSE) / STT_RATE for n in range(count)], abs=0.001)

    asyncio.run(run())
