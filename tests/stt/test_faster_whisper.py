from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebot.errors import ModelFailed, ModelLoadError, UnknownModel
from voicebot.registry import load_backend
from voicebot.settings import Settings
from voicebot.stt.base import Transcription
from voicebot.stt.faster_whisper import MAX_WAITING, FasterWhisperSTT, is_hallucination
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


class Whisper:
    """Hears one segment after another, each when the gate lets it, and keeps what it was asked."""

    def __init__(self, segments: int = 3) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.asked: list[dict[str, Any]] = []
        self.given = 0
        self.unloaded = 0
        self.model = self
        self._segments = segments

    def transcribe(self, audio: Any, **options: Any) -> tuple[Iterator[Any], SimpleNamespace]:
        self.asked.append({"audio": audio, **options})
        return self._hear(), SimpleNamespace(language=options["language"] or "en")

    def _hear(self) -> Iterator[Any]:
        for _ in range(self._segments):
            self.begun.set()
            assert self.gate.wait(20)
            self.given += 1
            yield SimpleNamespace(
                text=" yes", words=(), no_speech_prob=0.0, avg_logprob=0.0, compression_ratio=1.0
            )

    def unload_model(self) -> None:
        self.unloaded += 1


def said(stt: FasterWhisperSTT, pcm: NDArray[np.int16] = NOISE) -> asyncio.Task[Transcription]:
    stream = stt.stream()
    stream.push(pcm)
    return asyncio.ensure_future(stream.finish())


@pytest.mark.parametrize(("setting", "asked"), [("de", "de"), ("", None)])
async def test_the_language_of_the_settings_is_asked_for(setting: str, asked: str | None) -> None:
    whisper = Whisper()
    whisper.gate.set()
    stt = FasterWhisperSTT(whisper, "scripted", setting)  # type: ignore[arg-type]
    assert (await said(stt)).language == (asked or "en")
    assert [one["language"] for one in whisper.asked] == [asked]
    await stt.aclose()


async def test_what_nobody_waits_for_is_not_transcribed() -> None:
    whisper = Whisper()
    stt = FasterWhisperSTT(whisper, "scripted")  # type: ignore[arg-type]
    running, queued, last = said(stt), said(stt, NOISE[:8000]), said(stt, NOISE[:16_000])
    await asyncio.to_thread(whisper.begun.wait, 20)
    running.cancel()
    queued.cancel()
    await asyncio.wait([running, queued])
    whisper.gate.set()
    assert (await last).text == "yes yes yes"
    assert [len(one["audio"]) for one in whisper.asked] == [24_000, 16_000]
    assert whisper.given == 1 + 3  # the abandoned one ended at its first segment
    await stt.aclose()


async def test_the_queue_is_bounded_and_closing_ends_it() -> None:
    whisper = Whisper()
    stt = FasterWhisperSTT(whisper, "scripted")  # type: ignore[arg-type]
    waiting = [said(stt) for _ in range(MAX_WAITING)]
    await asyncio.to_thread(whisper.begun.wait, 20)
    with pytest.raises(ModelFailed, match="too slow"):
        await said(stt)
    closing = asyncio.ensure_future(stt.aclose())
    await asyncio.sleep(0)
    whisper.gate.set()
    await closing
    first, *others = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(first, Transcription)
    assert ["closed" in str(error) for error in others] == [True] * (MAX_WAITING - 1)
    assert (len(whisper.asked), whisper.unloaded) == (1, 1)


async def test_tracks_share_one_model(model: Path, settings: Settings) -> None:
    stt = await FasterWhisperSTT.load(str(model), settings)
    try:
        streams = [stt.stream() for _ in range(4)]
        for stream in streams:
            stream.push(NOISE)
        heard = await asyncio.gather(*(stream.finish() for stream in streams))
        assert len({one.text for one in heard}) == 1
    finally:
        await stt.aclose()


async def test_silence_and_nothing_are_empty(model: Path, settings: Settings) -> None:
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


def test_made_up_segments_are_dropped() -> None:
    def segment(no_speech: float, log_probability: float, ratio: float = 1.0) -> SimpleNamespace:
        return SimpleNamespace(no_speech_prob=no_speech, avg_logprob=log_probability, compression_ratio=ratio)

    assert is_hallucination(segment(0.9, -1.5))
    assert is_hallucination(segment(0.1, -0.2, ratio=5))
    assert not is_hallucination(segment(0.9, -0.3))
    assert not is_hallucination(segment(0.1, -1.5))


@pytest.mark.parametrize("file", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
async def test_a_partial_folder_says_what_it_lacks(
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
    with pytest.raises(ModelLoadError, match=r"cannot be loaded.*load it again"):
        await FasterWhisperSTT.load(str(broken), settings)


async def test_unknown_names_list_the_known_ones(settings: Settings) -> None:
    with pytest.raises(UnknownModel, match=r"Did you mean small.*Sizes: tiny"):
        await load_backend("stt", "faster-whisper:smal", settings)
    with pytest.raises(UnknownModel, match="no folder"):
        await load_backend("stt", "faster-whisper:/no/such/folder", settings)
    with pytest.raises(UnknownModel, match="no folder or Whisper size 'models/my whisper'"):
        await load_backend("stt", "faster-whisper:models/my whisper", settings)
    assert FasterWhisperSTT.availability("models/my whisper", settings).status == "missing"


def test_a_size_is_a_size_whatever_folders_there_are(
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
