from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebot.errors import ModelFailed, UnknownModel
from voicebot.registry import load_backend
from voicebot.settings import Settings
from voicebot.testing.openai_audio import SECONDS_PER_CHARACTER, OpenAIAudio
from voicebot.testing.openai_server import OpenAIServer
from voicebot.tts.base import VoiceStyle
from voicebot.tts.openai import HOSTED_VOICES, OpenAITTS


@pytest.fixture
def audio() -> OpenAIAudio:
    return OpenAIAudio()


@pytest.fixture
async def settings(audio: OpenAIAudio) -> AsyncIterator[Settings]:
    server = OpenAIServer(models=["chat", "tts-1", "kokoro", "owner/voice"])
    server.app.include_router(audio.router, prefix="/v1")
    async with server:
        yield Settings(_env_file=None, openai_base_url=server.url)  # type: ignore[call-arg]


async def speak(tts: OpenAITTS, text: str, style: VoiceStyle | None = None) -> list[NDArray[np.int16]]:
    return [pcm async for pcm in tts.synthesize(text, style or VoiceStyle())]


@pytest.mark.parametrize("odd", [False, True])
async def test_all_speech_is_streamed(settings: Settings, audio: OpenAIAudio, odd: bool) -> None:
    audio.odd = odd
    tts = await OpenAITTS.load("tts-1/nova", settings)
    assert (tts.name, tts.sample_rate, tts.voices) == ("openai:tts-1/nova", 24_000, ("nova",))
    pieces = await speak(tts, "Hello world.", VoiceStyle(rate=1.25))
    assert len(pieces) > 2
    pcm = np.concatenate(pieces)
    assert len(pcm) == int(12 * SECONDS_PER_CHARACTER * 24_000)
    spectrum = np.abs(np.fft.rfft(pcm))
    assert np.argmax(spectrum) * 24_000 / len(pcm) == pytest.approx(220, abs=2)
    assert audio.spoken == [
        {"input": "Hello world.", "model": "tts-1", "voice": "nova", "response_format": "pcm", "speed": 1.25}
    ]
    assert not await speak(tts, "  ")
    await tts.aclose()
    await tts.aclose()


async def test_the_seed_chooses_among_the_servers_voices(settings: Settings, audio: OpenAIAudio) -> None:
    hosted = await OpenAITTS.load("tts-1", settings)
    assert hosted.voices == HOSTED_VOICES
    audio.voices = ["af_sky", "am_adam"]
    tts = await OpenAITTS.load("kokoro", settings)
    for style in (VoiceStyle(seed=1), VoiceStyle(seed=2), VoiceStyle(voice="am_adam")):
        await speak(tts, "Hi.", style)
    assert [asked["voice"] for asked in audio.spoken] == ["am_adam", "af_sky", "am_adam"]
    await hosted.aclose()
    await tts.aclose()


async def test_a_model_that_the_server_lacks_is_refused_with_a_list(
    settings: Settings, audio: OpenAIAudio
) -> None:
    audio.models = ["tts-1", "alias"]
    with pytest.raises(UnknownModel, match=r"no model 'tts-l'.*lists: chat, kokoro, owner/voice, tts-1"):
        await load_backend("tts", "openai:tts-l/nova", settings)
    for spec in ("openai:alias/nova", "openai:owner/voice"):  # works unlisted; listed under that whole name
        backend = await load_backend("tts", spec, settings)
        assert backend.name == spec
        await backend.aclose()
    assert [asked["model"] for asked in audio.spoken] == ["alias"]


async def test_volume_scales_the_audio(settings: Settings) -> None:
    tts = await OpenAITTS.load("tts-1/nova", settings)
    loud = np.concatenate(await speak(tts, "Hello.", VoiceStyle(volume=2.0)))
    assert np.abs(loud.astype(int)).max() == pytest.approx(20_000, rel=0.01)
    await tts.aclose()


async def test_failures_are_explained_and_the_next_sentence_works(
    settings: Settings, audio: OpenAIAudio
) -> None:
    tts = await OpenAITTS.load("tts-1/nova", settings)
    audio.fail = 500
    with pytest.raises(ModelFailed, match=r"answered 500: .*scripted failure"):
        await speak(tts, "Hello.")
    audio.fail, audio.drop = 0, True
    with pytest.raises(ModelFailed):
        await speak(tts, "Hello.")
    audio.drop = False
    assert await speak(tts, "Hello.")
    await tts.aclose()


async def test_closing_the_iterator_ends_the_request(settings: Settings, audio: OpenAIAudio) -> None:
    tts = await OpenAITTS.load("tts-1/nova", settings)
    speech = tts.synthesize("word " * 200, VoiceStyle())
    assert (await anext(speech)).size
    await speech.aclose()  # type: ignore[attr-defined]
    assert await speak(tts, "Hello.")
    await tts.aclose()
