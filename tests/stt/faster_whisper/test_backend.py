from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.waiting import GUARD
from voicebot.agent.models.models import Models
from voicebot.errors import ModelFailed, ModelLoadError, UnknownModel
from voicebot.registry import load_backend
from voicebot.settings import Settings
from voicebot.stt.base import TimedWord, Transcription
from voicebot.stt.faster_whisper import backend as faster_whisper
from voicebot.stt.faster_whisper.backend import MAX_WAITING, FasterWhisperSTT
from voicebot.stt.faster_whisper.decoder import Hypothesis, Window
from voicebot.testing.small_models import WHISPER_LANGUAGES, make_whisper_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whisper_model(tmp_path_factory.mktemp("whisper"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path, stt_threads=1)  # type: ignore[call-arg]


NOISE = (np.random.default_rng(1).standard_normal(24_000) * 3000).astype(np.int16)


async def test_a_folder_loads_and_transcribes_with_word_times(model: Path, settings: Settings) -> None:
    said: list[str] = []
    stt = await FasterWhisperSTT.load(str(model), settings, lambda what, fraction: said.append(what))
    try:
        assert "ready on the" in said[-1]
        stream = stt.stream()
        for start in range(0, len(NOISE), 512):
            stream.push(NOISE[start : start + 512])
        heard = await stream.finish()
        assert heard.text  # the weights are random, the path is real
        assert heard.language in WHISPER_LANGUAGES
        assert heard.words
        for word in heard.words:
            assert 0 <= word.start <= word.end <= 1.5
            assert word.confidence is not None
            assert 0 <= word.confidence <= 1
    finally:
        await stt.aclose()


async def test_an_english_model_refuses_another_language(model: Path, settings: Settings) -> None:
    german = settings.model_copy(update={"stt_language": "de"})
    with pytest.raises(ModelLoadError, match=r"'de' of STT_LANGUAGE.*understands: en\."):
        await FasterWhisperSTT.load(str(model), german)


class Scripted:
    """Hears "yes" in every window, once the gate is open, and keeps what it was asked."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.asked: list[Window] = []
        self.batches: list[Sequence[Window]] = []
        self.unloaded = 0

    def __call__(self, windows: Sequence[Window], give_up: Callable[[], bool]) -> list[Hypothesis] | None:
        self.asked += windows
        self.batches.append(windows)
        self.begun.set()
        assert self.gate.wait(20)
        heard = Hypothesis((TimedWord(" yes", 0.0, 0.5),), "en")
        return None if give_up() else [heard] * len(windows)

    def unload(self) -> None:
        self.unloaded += 1

    def stt(self, language: str = "", *, batch: int = 1) -> FasterWhisperSTT:
        return FasterWhisperSTT(self, "scripted", language, batch=batch, unload=self.unload)


SHORT = NOISE[:8000]
"""Half a second, too short for an interim transcript."""


def said(stt: FasterWhisperSTT, pcm: NDArray[np.int16] = SHORT) -> asyncio.Task[Transcription]:
    stream = stt.stream()
    stream.push(pcm)
    return asyncio.ensure_future(stream.finish())


async def queued(stt: FasterWhisperSTT, count: int) -> None:
    """Until so many windows wait."""
    while stt.waiting != count:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_the_language_of_the_settings_is_used() -> None:
    for setting, language in (("de", "de"), ("", "")):
        whisper = Scripted()
        whisper.gate.set()
        stt = whisper.stt(setting)
        assert (await said(stt)).text == "yes"
        assert {one.language for one in whisper.asked} == {language}
        await stt.aclose()


async def test_utterances_that_nobody_waits_for_are_not_transcribed() -> None:
    whisper = Scripted()
    stt = whisper.stt()
    running, queued, last = said(stt), said(stt, NOISE[:7000]), said(stt, NOISE[:6000])
    await asyncio.to_thread(whisper.begun.wait, 20)
    running.cancel()
    queued.cancel()
    await asyncio.wait([running, queued])
    whisper.gate.set()
    assert (await last).text == "yes"
    assert [len(one.pcm) for one in whisper.asked] == [8000, 6000]
    await stt.aclose()


async def test_several_speakers_are_decoded_together() -> None:
    whisper = Scripted()
    stt = whisper.stt(batch=4)
    first = said(stt)
    await asyncio.to_thread(whisper.begun.wait, 20)
    others = [said(stt, NOISE[: 6000 + 500 * number]) for number in range(5)]
    await queued(stt, 5)
    whisper.gate.set()
    assert [(await one).text for one in (first, *others)] == ["yes"] * 6
    assert [len(batch) for batch in whisper.batches] == [1, 4, 1]
    await stt.aclose()


async def test_the_queue_is_bounded_and_closing_ends_it() -> None:
    whisper = Scripted()
    stt = whisper.stt()
    first = said(stt)
    await asyncio.to_thread(whisper.begun.wait, 20)
    others = [said(stt) for _ in range(MAX_WAITING)]
    await queued(stt, MAX_WAITING)
    with pytest.raises(ModelFailed, match=r"too slow.*smaller model"):
        await said(stt)
    closing = asyncio.ensure_future(stt.aclose())
    await asyncio.sleep(0)
    whisper.gate.set()
    await closing
    assert (await first).text == "yes"
    ended = await asyncio.gather(*others, return_exceptions=True)
    assert ["closed" in str(error) for error in ended] == [True] * MAX_WAITING
    assert (len(whisper.asked), whisper.unloaded) == (1, 1)


async def test_a_slow_model_is_reported_once_with_advice(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faster_whisper, "SLOW", 0.0)
    whisper = Scripted()
    whisper.gate.set()
    stt = whisper.stt()
    for _ in range(3):
        await said(stt)
    (warning,) = caplog.messages
    assert "of speech, so answers come late. Set STT_MODEL to a smaller size" in warning
    await stt.aclose()


async def test_a_failure_of_the_model_affects_only_the_utterance() -> None:
    def fails(windows: Sequence[Window], give_up: Callable[[], bool]) -> list[Hypothesis]:
        raise RuntimeError("out of memory")

    stt = FasterWhisperSTT(fails, "scripted", unload=lambda: None)
    with pytest.raises(ModelFailed, match=r"faster-whisper:scripted failed: out of memory"):
        await said(stt)
    await stt.aclose()


async def test_interim_drafted_and_final_transcripts_of_a_real_model(model: Path, settings: Settings) -> None:
    stt = await FasterWhisperSTT.load(str(model), settings)
    try:
        stream = stt.stream()
        stream.push(NOISE)
        async with asyncio.timeout(GUARD):
            while stream.interim() is None:  # noqa: ASYNC110
                await asyncio.sleep(0)
        stream.push(np.zeros(3200, np.int16))
        draft = await stream.draft()
        stream.push(np.zeros(16_000, np.int16))
        assert await stream.finish() is draft
        assert draft.text
    finally:
        await stt.aclose()


async def test_lobbies_and_tracks_share_one_model(
    model: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def counted(folder: Path, threads: int) -> Any:
        opened.append(folder)
        return open_model(folder, threads)

    open_model = faster_whisper._open
    monkeypatch.setattr(faster_whisper, "_open", counted)
    models = Models(settings)
    spec = f"faster-whisper:{model}"
    try:
        lobbies = await asyncio.gather(*(models.get("stt", spec) for _ in range(3)))
        assert all(one is lobbies[0] for one in lobbies)
        assert opened == [model]
        streams = [lobby.stream() for lobby in lobbies]  # type: ignore[attr-defined]
        for stream in streams:
            stream.push(NOISE)
        heard = await asyncio.gather(*(stream.finish() for stream in streams))
        assert len({one.text for one in heard}) == 1
    finally:
        await models.aclose()


async def test_silence_and_no_audio_give_an_empty_transcript(model: Path, settings: Settings) -> None:
    stt = await FasterWhisperSTT.load(str(model), settings)
    try:
        stream = stt.stream()
        stream.push(np.zeros(16_000, np.int16))
        assert (await stream.finish()).text == ""
        assert (await stt.stream().finish()).text == ""
    finally:
        await stt.aclose()
        await stt.aclose()
    stream = stt.stream()
    stream.push(NOISE)
    with pytest.raises(ModelFailed, match="closed"):
        await stream.finish()


@pytest.mark.parametrize("file", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
async def test_an_incomplete_folder_is_refused_with_the_missing_files(
    model: Path, settings: Settings, tmp_path: Path, file: str
) -> None:
    broken = shutil.copytree(model, tmp_path / "broken")
    (broken / file).unlink()
    with pytest.raises(ModelLoadError, match=rf"lacks .*{file}"):
        await FasterWhisperSTT.load(str(broken), settings)


@pytest.mark.parametrize("file", ["model.bin", "tokenizer.json", "vocabulary.json"])
async def test_a_damaged_file_is_a_clear_error(
    model: Path, settings: Settings, tmp_path: Path, file: str
) -> None:
    broken = shutil.copytree(model, tmp_path / "broken")
    (broken / file).write_bytes((broken / file).read_bytes()[:100])
    with pytest.raises(ModelLoadError, match=r"cannot be loaded.*load the model again"):
        await FasterWhisperSTT.load(str(broken), settings)


async def test_unknown_names_list_the_known_ones(settings: Settings) -> None:
    with pytest.raises(UnknownModel, match=r"Did you mean small.*Sizes: tiny"):
        await load_backend("stt", "faster-whisper:smal", settings)
    with pytest.raises(UnknownModel, match="no folder"):
        await load_backend("stt", "faster-whisper:/no/such/folder", settings)
    with pytest.raises(UnknownModel, match="no folder or Whisper size 'models/my whisper'"):
        await load_backend("stt", "faster-whisper:models/my whisper", settings)
    assert FasterWhisperSTT.availability("models/my whisper", settings).status == "missing"


def test_a_size_name_wins_over_a_folder_of_the_same_name(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").mkdir()
    monkeypatch.chdir(tmp_path)
    assert FasterWhisperSTT.availability("base", settings).reason == "148 MB to download"
    assert FasterWhisperSTT.availability("./base", settings).reason == "a folder on this machine"


def test_availability_is_offline_and_cheap(model: Path, settings: Settings) -> None:
    assert FasterWhisperSTT.availability(str(model), settings).status == "ready"
    found = FasterWhisperSTT.availability("tiny", settings)
    assert (found.status, found.reason) == ("downloadable", "78 MB to download")
    assert FasterWhisperSTT.availability("nosuch", settings).status == "missing"
    german = settings.model_copy(update={"stt_language": "de"})
    assert FasterWhisperSTT.availability("base.en", german).reason.endswith("STT_LANGUAGE is de")
    assert FasterWhisperSTT.availability("base", german).status == "downloadable"
    assert FasterWhisperSTT.known_models(settings)[0] in ("base", "small", "large-v3-turbo")
