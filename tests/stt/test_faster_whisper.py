from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from voicebot.errors import ModelFailed, ModelLoadError, UnknownModel
from voicebot.registry import load_backend
from voicebot.settings import Settings
from voicebot.stt.faster_whisper import FasterWhisperSTT, is_hallucination
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


async def test_an_english_model_answers_in_english_whatever_is_asked(model: Path, settings: Settings) -> None:
    german = settings.model_copy(update={"stt_language": "de"})
    stt = await FasterWhisperSTT.load(str(model), german)
    try:
        for asked in (None, "fr", "en"):
            stream = stt.stream(asked)
            stream.push(NOISE)
            assert (await stream.finish()).language == "en"
    finally:
        await stt.aclose()


async def test_tracks_share_one_model(model: Path, settings: Settings) -> None:
    stt = await FasterWhisperSTT.load(str(model), settings)
    try:
        streams = [stt.stream("en") for _ in range(4)]
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


def test_availability_is_offline_and_cheap(model: Path, settings: Settings) -> None:
    assert FasterWhisperSTT.availability(str(model), settings).status == "ready"
    found = FasterWhisperSTT.availability("tiny", settings)
    assert (found.status, found.reason) == ("downloadable", "78 MB to download")
    assert FasterWhisperSTT.availability("nosuch", settings).status == "missing"
    assert FasterWhisperSTT.known_models(settings)[0] in ("base", "small", "large-v3-turbo")
