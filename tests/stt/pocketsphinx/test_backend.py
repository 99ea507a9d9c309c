from __future__ import annotations

import asyncio
import os
import signal
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from tests.support.waiting import GUARD
from voicebot.agent.hearing import utterance
from voicebot.errors import ModelFailed, ModelLoadError, UnknownModel
from voicebot.registry import load_backend
from voicebot.settings import Settings
from voicebot.stt.base import STT, Transcription
from voicebot.stt.pocketsphinx import backend as pocketsphinx
from voicebot.stt.pocketsphinx.backend import PocketSphinxSTT
from voicebot.stt.pocketsphinx.worker_process import WorkerProcess
from voicebot.tts.base import VoiceStyle
from voicebot.tts.flite import FliteTTS

pytestmark = pytest.mark.needs("flite")
WEATHER = "what is the weather in paris"
settings = Settings(_env_file=None)  # type: ignore[call-arg]


async def speak(text: str, voice: str = "slt") -> NDArray[np.int16]:
    """`text` in a flite voice at 16 kHz, with a moment of silence on both sides."""
    tts = await FliteTTS.load(voice, settings)
    pieces = [piece async for piece in tts.synthesize(text, VoiceStyle())]
    quiet = np.zeros(4800, np.int16)
    return np.concatenate([quiet, *pieces, quiet])


async def transcribe(stt: STT, pcm: NDArray[np.int16]) -> Transcription:
    stream = stt.stream()
    for start in range(0, len(pcm), 320):
        stream.push(pcm[start : start + 320])
    return await stream.finish()


@pytest.fixture
async def stt() -> AsyncIterator[PocketSphinxSTT]:
    backend = await PocketSphinxSTT.load("", settings)
    yield backend
    await backend.aclose()


async def test_understands_speech_word_for_word_with_times(stt: PocketSphinxSTT) -> None:
    pcm = await speak(WEATHER)
    heard = await transcribe(stt, pcm)
    assert heard.text == WEATHER
    assert heard.language == "en"
    times = [t for word in heard.words for t in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] > 0.2  # the leading silence is 0.3 s
    assert times[-1] <= len(pcm) / 16_000
    assert all(word.confidence is not None and 0 <= word.confidence <= 1 for word in heard.words)


@pytest.mark.parametrize("voice", ["kal", "rms", "awb", "kal16"])
async def test_understands_other_voices(stt: PocketSphinxSTT, voice: str) -> None:
    assert (await transcribe(stt, await speak("hello world", voice))).text == "hello world"


async def test_gives_interim_transcripts_while_audio_arrives(stt: PocketSphinxSTT) -> None:
    pcm = await speak(WEATHER)
    stream = stt.stream()
    stream.push(pcm)
    async with asyncio.timeout(GUARD):
        while not (partial := stream.interim()) or len(partial.words) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert partial.text.split()[0] in WEATHER.split()
    assert (await stream.finish()).text == WEATHER


async def test_a_draft_does_not_end_the_utterance(stt: PocketSphinxSTT) -> None:
    pcm, more = await speak("hello world"), await speak(WEATHER)
    stream = stt.stream()
    stream.push(pcm)
    first, again = await asyncio.gather(stream.draft(), stream.draft())
    assert first == again == stream.interim()
    assert first.text == "hello world"
    given_up = asyncio.ensure_future(stream.draft())
    await asyncio.sleep(0)
    given_up.cancel()
    stream.push(more)
    assert (await stream.draft()).text == f"hello world {WEATHER}"
    stream.push(np.zeros(16_000, np.int16))
    final = await stream.finish()
    assert final.text == f"hello world {WEATHER}"
    assert await stream.draft() == final


async def test_a_draft_fails_if_the_recogniser_dies_or_closes(stt: PocketSphinxSTT) -> None:
    stream = stt.stream()
    stream.push(await speak("hello world"))
    (pid,) = stt.worker_pids
    os.kill(pid, signal.SIGSTOP)
    drafting = asyncio.ensure_future(stream.draft())
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ModelFailed, match="killed by SIGKILL"):
        await drafting
    with pytest.raises(ModelFailed, match="killed by SIGKILL"):
        await stream.draft()


async def test_silence_and_no_audio_give_an_empty_text(stt: PocketSphinxSTT) -> None:
    assert (await transcribe(stt, np.zeros(16_000, np.int16))).text == ""
    assert (await stt.stream().finish()).text == ""
    assert (await transcribe(stt, await speak("hello world"))).text == "hello world"


async def test_two_people_at_once_are_kept_apart(stt: PocketSphinxSTT) -> None:
    first, second = stt.stream(), stt.stream()
    first.push(await speak(WEATHER))
    second.push(await speak("hello world", "rms"))
    async with asyncio.timeout(GUARD):
        while first.worker is None or second.worker is None:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert len(stt.worker_pids) == 2
    heard = await asyncio.gather(first.finish(), second.finish())
    assert [one.text for one in heard] == [WEATHER, "hello world"]


async def test_more_people_than_workers_wait_their_turn() -> None:
    stt = PocketSphinxSTT(max_workers=1)
    try:
        pcm = await speak("hello world")
        hearing = asyncio.gather(*(transcribe(stt, pcm) for _ in range(3)))
        await asyncio.sleep(0)
        assert stt.waiting == 3
        assert [one.text for one in await hearing] == ["hello world"] * 3
        assert stt.waiting == 0
        assert len(stt.worker_pids) == 1
    finally:
        await stt.aclose()


async def test_a_crash_loses_one_utterance_and_the_worker_is_replaced(stt: PocketSphinxSTT) -> None:
    pcm = await speak("hello world")
    stream = stt.stream()
    stream.push(pcm)
    (pid,) = stt.worker_pids
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ModelFailed, match="killed by SIGKILL"):
        await stream.finish()
    assert (await transcribe(stt, pcm)).text == "hello world"
    assert pid not in stt.worker_pids


async def test_a_worker_that_hangs_is_killed_and_replaced() -> None:
    stt = PocketSphinxSTT(max_workers=1, finish_timeout=0.2)
    try:
        pcm = await speak("hello world")
        stream = stt.stream()
        stream.push(pcm)
        async with asyncio.timeout(GUARD):
            while stream.worker is None:  # noqa: ASYNC110
                await asyncio.sleep(0)
        (pid,) = stt.worker_pids
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(ModelFailed, match=r"no result within 0\.2 s"):
            await stream.finish()
        stream.cancel()  # as a listener does after an error
        stt.finish_timeout = 20
        assert (await transcribe(stt, pcm)).text == "hello world"
        assert pid not in stt.worker_pids
    finally:
        await stt.aclose()


async def test_a_worker_that_hangs_is_killed_when_the_listener_gives_up(stt: PocketSphinxSTT) -> None:
    pcm = await speak("hello world")
    stream = stt.stream()
    stream.push(pcm)
    (pid,) = stt.worker_pids
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await stream.finish()
    stream.cancel()
    assert (await transcribe(stt, pcm)).text == "hello world"
    assert pid not in stt.worker_pids


def test_listeners_wait_longer_than_a_hung_worker_lives() -> None:
    assert pocketsphinx.FINISH_TIMEOUT < utterance.FINISH_TIMEOUT


async def test_only_english_is_offered() -> None:
    german = settings.model_copy(update={"stt_language": "de"})
    with pytest.raises(ModelLoadError, match=r"English only, and STT_LANGUAGE is de.*faster-whisper"):
        await load_backend("stt", "pocketsphinx", german)
    english = settings.model_copy(update={"stt_language": "en"})
    assert PocketSphinxSTT.availability("", english).status == "ready"


async def test_a_worker_that_does_not_become_ready_gives_a_reason(tmp_path: Path) -> None:
    program = tmp_path / "sleeper.py"
    program.write_text("import sys; sys.stdin.buffer.read()")
    before = {child.pid for child in psutil.Process().children()}
    with pytest.raises(ModelLoadError, match=r"was not ready within 0\.1 s"):
        await WorkerProcess.start(str(program), lambda *_: None, lambda *_: None, within=0.1)
    assert {child.pid for child in psutil.Process().children()} == before


async def test_a_cancelled_utterance_frees_its_worker(stt: PocketSphinxSTT) -> None:
    stream = stt.stream()
    stream.push(await speak(WEATHER))
    stream.cancel()
    stream.cancel()
    assert (await transcribe(stt, await speak("hello world"))).text == "hello world"
    assert len(stt.worker_pids) == 1


async def test_a_long_speech_is_finalised_in_pieces(stt: PocketSphinxSTT) -> None:
    pcm = np.concatenate([await speak("hello world"), np.zeros(8000, np.int16)] * 10)
    heard = await transcribe(stt, pcm)
    assert heard.text.split().count("hello") >= 8
    assert 16 < heard.words[-1].end <= len(pcm) / 16_000


async def test_a_worker_ignores_interrupts_and_ends_with_its_socket() -> None:
    stt = await PocketSphinxSTT.load("", settings)
    (pid,) = stt.worker_pids
    worker = psutil.Process(pid)
    assert os.getsid(pid) == pid
    os.kill(pid, signal.SIGINT)
    assert (await transcribe(stt, await speak("hello world"))).text == "hello world"
    await stt.aclose()
    await stt.aclose()
    assert not worker.is_running()
    with pytest.raises(ModelFailed, match="closed"):
        stt.stream()


async def test_closing_ends_current_utterances(stt: PocketSphinxSTT) -> None:
    stream = stt.stream()
    finishing = asyncio.create_task(stream.finish())
    await asyncio.sleep(0)
    await stt.aclose()
    with pytest.raises(ModelFailed, match="closed"):
        await finishing


async def test_a_cancelled_load_leaves_no_process_behind() -> None:
    before = {child.pid for child in psutil.Process().children()}
    loading = asyncio.create_task(PocketSphinxSTT.load("", settings))
    async with asyncio.timeout(GUARD):
        while not {child.pid for child in psutil.Process().children()} - before:  # noqa: ASYNC110
            await asyncio.sleep(0)
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert {child.pid for child in psutil.Process().children()} == before


async def test_an_unknown_model_is_named() -> None:
    with pytest.raises(UnknownModel, match="pocketsphinx:en-us"):
        await load_backend("stt", "pocketsphinx:klingon", settings)


if "VOICEBOT_SPEECH" in os.environ:  # a folder of recordings that not everybody has

    async def test_understands_a_recording_of_a_person(stt: PocketSphinxSTT) -> None:
        with wave.open(str(Path(os.environ["VOICEBOT_SPEECH"]) / "hello_world.wav")) as reader:
            assert reader.getnchannels() == 1
            rate = reader.getframerate()
            pcm = np.frombuffer(reader.readframes(reader.getnframes()), np.int16)
        if rate != 16_000:
            import soxr

            pcm = soxr.resample(pcm, rate, 16_000)
        assert (await transcribe(stt, pcm)).text == "hello world"
