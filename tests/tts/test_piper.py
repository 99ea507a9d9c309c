# ruff: noqa: ASYNC240  the files are tiny
from __future__ import annotations

import asyncio
import gc
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.waiting import GUARD
from voicebot.errors import ModelFailed, ModelLoadError, UnknownModel
from voicebot.registry import load_backend
from voicebot.settings import Settings
from voicebot.testing.small_models import make_piper_voice
from voicebot.tts.base import VoiceStyle, WordTime, audio_only
from voicebot.tts.piper import SPEAKING, VOICES, PiperTTS, _opened, _threads

TEXT = "Hello world. How are you?"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path)  # type: ignore[call-arg]


async def speak(tts: PiperTTS, style: VoiceStyle, text: str = TEXT) -> list[NDArray[np.int16]]:
    return [pcm async for pcm in audio_only(tts.synthesize(text, style))]


def pitch(pcm: NDArray[np.int16], rate: int) -> float:
    """The strongest frequency in Hz."""
    return float(np.argmax(np.abs(np.fft.rfft(pcm))) * rate / len(pcm))


async def test_a_voice_file_speaks_sentence_by_sentence(settings: Settings, tmp_path: Path) -> None:
    file = make_piper_voice(tmp_path / "tone.onnx", sample_rate=16_000)
    tts = await PiperTTS.load(str(file), settings)
    assert tts.name == f"piper:{file}"  # others may be called tone, too
    assert tts.sample_rate == 16_000
    pieces = await speak(tts, VoiceStyle())
    assert len(pieces) == 2
    assert all(piece.dtype == np.int16 and piece.ndim == 1 for piece in pieces)
    assert 20_000 < np.abs(pieces[0].astype(int)).max() < 32_767
    assert not await speak(tts, VoiceStyle(), "  ")
    assert await speak(tts, VoiceStyle(), "[[odd]] \0 text \U0001f600 \ud800")


async def test_rate_and_volume_change_the_audio(settings: Settings, tmp_path: Path) -> None:
    tts = await PiperTTS.load(str(make_piper_voice(tmp_path / "tone.onnx")), settings)
    plain, fast, soft = [
        np.concatenate(await speak(tts, style))
        for style in (VoiceStyle(), VoiceStyle(rate=2.0), VoiceStyle(volume=0.5))
    ]
    assert len(fast) == pytest.approx(len(plain) / 2, rel=0.01)
    assert soft.max() == pytest.approx(plain.max() / 2, rel=0.01)


@pytest.mark.parametrize(("semitones", "factor"), [(4.0, 2 ** (1 / 3)), (-6.0, 0.5**0.5), (12.0, 2**0.5)])
async def test_pitch_does_not_change_the_duration(
    settings: Settings, tmp_path: Path, semitones: float, factor: float
) -> None:
    tts = await PiperTTS.load(str(make_piper_voice(tmp_path / "tone.onnx")), settings)
    [plain] = await speak(tts, VoiceStyle(), "Hello world.")
    [shifted] = await speak(tts, VoiceStyle(pitch=semitones), "Hello world.")
    assert len(shifted) == pytest.approx(len(plain), rel=0.01)
    assert pitch(shifted, 22_050) == pytest.approx(pitch(plain, 22_050) * factor, rel=0.03)
    assert np.abs(shifted.astype(int)).max() < 32_767


async def test_speakers_by_name_number_style_and_seed(settings: Settings, tmp_path: Path) -> None:
    file = make_piper_voice(tmp_path / "many.onnx", speakers=4)
    tts = await PiperTTS.load(str(file), settings)
    assert tts.voices == ("speaker0", "speaker1", "speaker2", "speaker3")

    async def heard(tts: PiperTTS, style: VoiceStyle) -> int:
        return round(pitch((await speak(tts, style))[0], 22_050) / 150) - 1

    assert [await heard(tts, VoiceStyle(seed=seed)) for seed in range(5)] == [0, 1, 2, 3, 0]
    assert await heard(tts, VoiceStyle(voice="speaker2")) == 2
    for label in ("3", "speaker3"):
        fixed = await PiperTTS.load(f"{file}#{label}", settings)
        assert fixed.name == f"piper:{file}#{label}"
        assert await heard(fixed, VoiceStyle(seed=1)) == 3
    with pytest.raises(UnknownModel, match="It has 4: speaker0"):
        await PiperTTS.load(f"{file}#9", settings)


async def test_a_broken_voice_is_a_clear_error(settings: Settings, tmp_path: Path) -> None:
    file = make_piper_voice(tmp_path / "tone.onnx")
    config = Path(f"{file}.json")
    whole = config.read_text()
    config.write_text(whole[:50])
    with pytest.raises(ModelLoadError, match="damaged"):
        await PiperTTS.load(str(file), settings)
    config.write_text(json.dumps({"audio": {}}))
    with pytest.raises(ModelLoadError, match="damaged"):
        await PiperTTS.load(str(file), settings)
    config.write_text(whole)
    model = file.read_bytes()
    file.write_bytes(model[: len(model) // 2])
    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        await PiperTTS.load(str(file), settings)
    config.unlink()
    with pytest.raises(ModelLoadError, match=r"has no settings file .*tone\.onnx\.json"):
        await PiperTTS.load(str(file), settings)


async def test_unknown_voices_list_known_ones(settings: Settings) -> None:
    with pytest.raises(UnknownModel, match="Did you mean en_US-lessac-medium"):
        await load_backend("tts", "piper:en_US-lesac", settings)
    with pytest.raises(UnknownModel, match="no voice file"):
        await load_backend("tts", "piper:/no/such/voice.onnx", settings)


async def test_a_closed_voice_cannot_speak(settings: Settings, tmp_path: Path) -> None:
    tts = await PiperTTS.load(str(make_piper_voice(tmp_path / "tone.onnx")), settings)
    await tts.aclose()
    await tts.aclose()
    with pytest.raises(ModelFailed, match="closed"):
        await speak(tts, VoiceStyle())


def test_availability(settings: Settings, tmp_path: Path) -> None:
    assert PiperTTS.availability(VOICES[0], settings).status == "downloadable"
    assert PiperTTS.availability("nosuch", settings).status == "missing"
    assert PiperTTS.availability(str(make_piper_voice(tmp_path / "t.onnx")), settings).status == "ready"


@pytest.mark.parametrize("style", [VoiceStyle(), VoiceStyle(rate=2.0), VoiceStyle(pitch=4.0)])
async def test_words_have_times_if_the_model_reports_them(
    settings: Settings, tmp_path: Path, style: VoiceStyle
) -> None:
    tts = await PiperTTS.load(str(make_piper_voice(tmp_path / "t.onnx", word_times=True)), settings)
    text = "Hello world, it is 12:30. The end of the day \u2013 really."
    parts = [part async for part in tts.synthesize(text, style)]
    times = [part for part in parts if isinstance(part, WordTime)]
    assert " ".join(word.text for word in times) == text
    bounds = [time for word in times for time in (word.start, word.end)]
    assert bounds == sorted(bounds)
    first, second = [len(part) / 22_050 for part in parts if not isinstance(part, WordTime)]
    later = [word.text for word in times if word.start >= first]
    assert later == ["The", "end", "of", "the", "day \u2013", "really."]
    assert first + second - 0.5 < bounds[-1] < first + second
    # a phoneme of the model lasts 8 frames of 256 samples
    by_length = {word.text: word.end - word.start for word in times}
    assert by_length["12:30."] > by_length["Hello"] > by_length["is"]


async def test_waiting_sentences_are_counted(settings: Settings, tmp_path: Path) -> None:
    tts = await PiperTTS.load(str(make_piper_voice(tmp_path / "t.onnx")), settings)
    gate = threading.Event()
    busy = [_threads().submit(gate.wait, 20) for _ in range(SPEAKING)]
    speaking = [asyncio.ensure_future(speak(tts, VoiceStyle(), "Hello.")) for _ in range(3)]
    while tts.waiting < 3:  # noqa: ASYNC110
        await asyncio.sleep(0)
    gate.set()
    assert len(await asyncio.gather(*speaking)) == 3
    assert all(one.result() for one in busy)
    assert tts.waiting == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing \0 and half \ud83d then more", ["nothing", "and", "half ?", "then", "more"]),
        ("it is [[ x ]] here", ["it", "is [[", "x ]]", "here"]),
        ("- hello world", ["- hello", "world"]),
        ("...", []),
    ],
)
async def test_words_of_unusual_texts_have_times(
    settings: Settings, tmp_path: Path, text: str, words: list[str]
) -> None:
    tts = await PiperTTS.load(str(make_piper_voice(tmp_path / "t.onnx", word_times=True)), settings)
    parts = [part async for part in tts.synthesize(text, VoiceStyle())]
    assert [part.text for part in parts if isinstance(part, WordTime)] == words


async def test_a_sentence_in_progress_survives_closing(settings: Settings, tmp_path: Path) -> None:
    tts = await PiperTTS.load(str(make_piper_voice(tmp_path / "t.onnx", word_times=True)), settings)
    spoken = tts.synthesize("Hello world.", VoiceStyle())
    assert isinstance(await anext(spoken), np.ndarray)
    await tts.aclose()
    assert [part.text async for part in spoken if isinstance(part, WordTime)] == ["Hello", "world."]


async def test_a_voice_file_is_loaded_once(settings: Settings, tmp_path: Path) -> None:
    file = make_piper_voice(tmp_path / "many.onnx", speakers=4)
    one, two = await asyncio.gather(*(PiperTTS.load(f"{file}#{n}", settings) for n in (1, 2)))
    assert one._voice is two._voice
    assert round(pitch((await speak(one, VoiceStyle()))[0], 22_050) / 150) == 2
    await one.aclose()
    assert round(pitch((await speak(two, VoiceStyle()))[0], 22_050) / 150) == 3
    await two.aclose()
    gc.collect()
    assert file.resolve() not in _opened  # and nobody keeps it


async def test_an_unwanted_sentence_is_stopped_midway(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tts = await PiperTTS.load(str(make_piper_voice(tmp_path / "tone.onnx")), settings)
    assert tts._voice is not None
    begun, stopped = threading.Event(), threading.Event()
    ended: list[str] = []
    run = tts._voice.session.run

    def waits(outputs: None, inputs: Any) -> Any:
        begun.set()
        assert stopped.wait(20)
        try:
            return run(outputs, inputs)
        except Exception as error:
            ended.append(str(error))
            raise

    monkeypatch.setattr(tts._voice.session, "run", waits)
    speaking = asyncio.ensure_future(anext(tts.synthesize("One. Two.", VoiceStyle())))
    await asyncio.to_thread(begun.wait, 20)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking
    stopped.set()
    monkeypatch.undo()
    assert len(await speak(tts, VoiceStyle(), "One. Two.")) == 2
    async with asyncio.timeout(GUARD):
        while not ended:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert "terminate flag" in ended[0]
