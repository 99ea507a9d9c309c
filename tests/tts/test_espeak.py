from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebot.errors import ModelLoadError, UnknownModel
from voicebot.registry import load_backend
from voicebot.settings import Settings
from voicebot.tts.base import VoiceStyle, WordTime, audio_only
from voicebot.tts.espeak import OFFERED, VARIANTS, EspeakTTS
from voicebot.tts.voices import pick_voice, with_volume

TEXT = "Hello, what is the weather in Paris today?"
settings = Settings(_env_file=None)  # type: ignore[call-arg]


async def speak(style: VoiceStyle, text: str = TEXT, language: str = "") -> NDArray[np.int16]:
    tts = await EspeakTTS.load(language, settings)
    assert tts.sample_rate == 22_050
    return np.concatenate(
        [np.zeros(0, np.int16)] + [pcm async for pcm in audio_only(tts.synthesize(text, style))]
    )


async def test_speech_is_audible_and_about_as_long_as_a_persons() -> None:
    pcm = await speak(VoiceStyle())
    assert pcm.dtype == np.int16
    assert 1.5 < len(pcm) / 22_050 < 5
    assert np.sqrt(np.mean(pcm.astype(float) ** 2)) > 500


@pytest.mark.parametrize("seed", range(len(VARIANTS)))
async def test_no_voice_makes_audio_that_clips(seed: int) -> None:
    assert np.abs((await speak(VoiceStyle(seed=seed))).astype(int)).max() < 32_767


def timbre(pcm: NDArray[np.int16]) -> NDArray[np.float64]:
    """Mean loudness in dB of 64 bands up to 5.5 kHz: what makes a voice recognisable."""
    frames = pcm[: len(pcm) // 1024 * 1024].reshape(-1, 1024) * np.hanning(1024)
    power = (np.abs(np.fft.rfft(frames)) ** 2).mean(axis=0)[:256].reshape(64, 4).mean(axis=1)
    return 10 * np.log10(power + 1)


async def test_each_seed_gives_its_own_constant_voice() -> None:
    once = [timbre(await speak(VoiceStyle(seed=seed))) for seed in range(len(VARIANTS))]
    again = [timbre(await speak(VoiceStyle(seed=seed))) for seed in range(len(VARIANTS))]
    distance = np.array([[np.abs(one - other).mean() for other in again] for one in once])
    assert (distance.argmin(axis=1) == np.arange(len(VARIANTS))).all()
    others = distance[~np.eye(len(VARIANTS), dtype=bool)]
    # its breath is noise: the same voice differs by 0.3 dB from time to time, at times by 1
    assert others.min() > 3 * np.median(distance.diagonal())


async def test_agents_beyond_the_number_of_variants_differ_in_pitch() -> None:
    laps = [pitch(await speak(VoiceStyle(seed=seed * len(VARIANTS)))) for seed in range(3)]
    assert laps == sorted(set(laps))


async def test_rate_pitch_and_volume_change_the_audio() -> None:
    plain = await speak(VoiceStyle())
    assert len(await speak(VoiceStyle(rate=1.6))) < 0.75 * len(plain)
    assert len(await speak(VoiceStyle(rate=0.7))) > 1.2 * len(plain)
    assert pitch(await speak(VoiceStyle(pitch=8))) > 1.25 * pitch(plain)
    assert pitch(await speak(VoiceStyle(pitch=-8))) < 0.9 * pitch(plain)
    soft = await speak(VoiceStyle(volume=0.25))
    assert np.abs(soft.astype(int)).max() == pytest.approx(np.abs(plain.astype(int)).max() / 4, rel=0.05)


def pitch(pcm: NDArray[np.int16], rate: int = 22_050) -> float:
    """Median fundamental frequency in Hz of the loud parts, by autocorrelation."""
    found = []
    for start in range(0, len(pcm) - 2048, 1024):
        frame = pcm[start : start + 2048].astype(float)
        if np.sqrt(np.mean(frame**2)) > 2000:
            correlation = np.correlate(frame, frame, "full")[2047:]
            low, high = rate // 400, rate // 60
            found.append(rate / (low + int(np.argmax(correlation[low:high]))))
    return float(np.median(found))


async def test_many_agents_can_speak_at_once_without_mixing() -> None:
    alone = [await speak(VoiceStyle(seed=seed), f"I am agent {seed}.") for seed in range(6)]
    together = await asyncio.gather(*(speak(VoiceStyle(seed=s), f"I am agent {s}.") for s in range(6)))
    for one, other in zip(alone, together, strict=True):
        assert len(other) == pytest.approx(len(one), rel=0.05)
        assert np.abs(timbre(one) - timbre(other)).mean() < 2


@pytest.mark.parametrize("text", ["", "   ", "\n"])
async def test_empty_text_gives_silence(text: str) -> None:
    assert not (await speak(VoiceStyle(), text)).size


async def test_unusual_text_is_no_error() -> None:
    assert (await speak(VoiceStyle(), "a\0b <mark> {x} é 漢字 \U0001f600 \ud800")).size


async def test_a_voice_of_another_backend_falls_back_to_the_seed() -> None:
    assert pick_voice(VoiceStyle(voice="alloy", seed=3), VARIANTS) == VARIANTS[3]
    assert pick_voice(VoiceStyle(voice="ANNIE", seed=3), VARIANTS) == "Annie"


async def test_cancelling_stops_a_long_text() -> None:
    tts = await EspeakTTS.load("", settings)
    speaking = asyncio.ensure_future(anext(tts.synthesize("word " * 200_000, VoiceStyle())))
    await asyncio.sleep(0)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking
    assert (await speak(VoiceStyle())).size


async def test_the_language_of_a_voice_can_be_chosen() -> None:
    german = await speak(VoiceStyle(), "Guten Tag", "de")
    assert german.size
    assert german.tobytes() != (await speak(VoiceStyle(), "Guten Tag")).tobytes()
    with pytest.raises(UnknownModel, match=r"Did you mean .*en-us"):
        await load_backend("tts", "espeak:en-uss", settings)


@pytest.mark.parametrize("language", [*OFFERED, "EN-GB", "chr-us-qaaa-x-west", "yue"])
async def test_every_offered_language_speaks(language: str) -> None:
    assert np.abs((await speak(VoiceStyle(seed=1), "Taxi 12", language)).astype(int)).max() > 2000


async def test_a_language_without_a_dictionary_is_refused() -> None:
    with pytest.raises(ModelLoadError, match=r"'fo'.*no dictionary.*en-us"):
        await load_backend("tts", "espeak:fo", settings)


def test_volume_never_clips() -> None:
    pcm = np.array([-30_000, 10, 20_000], np.int16)
    assert np.abs(with_volume(pcm, 2.0).astype(int)).max() == 32_767
    assert with_volume(np.zeros(3, np.int16), 2.0).tolist() == [0, 0, 0]
    assert with_volume(np.array([-32_768], np.int16), 2.0).tolist() == [-32_767]


async def words(text: str, style: VoiceStyle, language: str = "") -> tuple[NDArray[np.int16], list[WordTime]]:
    tts = await EspeakTTS.load(language, settings)
    parts = [part async for part in tts.synthesize(text, style)]
    times = [part for part in parts if isinstance(part, WordTime)]
    return np.concatenate([part for part in parts if not isinstance(part, WordTime)]), times


@pytest.mark.parametrize("rate", [1.0, 1.6])
async def test_every_word_has_a_time(rate: float) -> None:
    text = "\u201cHello, it's 12:30\u201d \u2013 the caf\u00e9 wants $3.50, Ada."
    pcm, times = await words(text, VoiceStyle(rate=rate))
    spoken = ["\u201cHello,", "it's", "12:30\u201d \u2013", "the", "caf\u00e9", "wants", "$3.50,", "Ada."]
    assert [word.text for word in times] == spoken
    bounds = [time for word in times for time in (word.start, word.end)]
    assert bounds == sorted(bounds)
    assert bounds[0] >= 0
    assert bounds[-1] <= len(pcm) / 22_050 - 0.1  # the silence after the sentence belongs to no word
    loud = [np.abs(pcm[int(w.start * 22_050) : int(w.end * 22_050)].astype(int)).max() for w in times]
    assert min(loud) > 1000


async def test_a_pause_belongs_to_no_word() -> None:
    pcm, (first, second) = await words("Stop. Go.", VoiceStyle())
    assert second.start - first.end > 0.2
    assert np.abs(pcm[int(first.end * 22_050) + 1 : int(second.start * 22_050)].astype(int)).max() < 1000


@pytest.mark.parametrize("text", ["...", "\u2014", "?!", "( )"])
async def test_punctuation_alone_is_a_pause_without_words(text: str) -> None:
    pcm, times = await words(text, VoiceStyle())
    assert len(pcm) > 0
    assert times == []


async def test_chinese_words_need_no_blanks() -> None:
    _, times = await words("\u4f60\u597d\uff0c\u4e16\u754c\u3002", VoiceStyle(), "cmn")
    assert "".join(word.text for word in times) == "\u4f60\u597d\uff0c\u4e16\u754c\u3002"
    assert len(times) > 1
