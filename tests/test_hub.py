from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import numpy as np
import pytest

from tests.hub_server import Hub, serving
from voicebot import hub
from voicebot.agent.choose import choose
from voicebot.errors import ModelLoadError, UnknownModel
from voicebot.settings import Settings
from voicebot.stt.faster_whisper import SIZES, FasterWhisperSTT
from voicebot.testing.small_models import make_piper_voice, make_whisper_model
from voicebot.tts.base import VoiceStyle
from voicebot.tts.piper import REPOSITORY, PiperTTS

VOICE = "en_US-lessac-medium"
PATH = f"en/en_US/lessac/medium/{VOICE}.onnx"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return Settings(_env_file=None, data_dir=tmp_path / "data")  # type: ignore[call-arg]


@pytest.fixture
def full_hub(tmp_path: Path) -> Hub:
    whisper = make_whisper_model(tmp_path / "whisper")
    voice = make_piper_voice(tmp_path / "voice.onnx")
    return Hub(
        {
            SIZES["tiny"][0]: {file.name: file.read_bytes() for file in whisper.iterdir()}
            | {"README.md": b"not wanted"},
            REPOSITORY: {
                PATH: voice.read_bytes(),
                f"{PATH}.json": Path(f"{voice}.json").read_bytes(),
            },
        }
    )


async def test_whisper_is_downloaded_once_with_progress(
    settings: Settings, full_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(full_hub.app) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        assert FasterWhisperSTT.availability("tiny", settings).status == "downloadable"
        seen: list[tuple[str, float | None]] = []
        stt = await FasterWhisperSTT.load("tiny", settings, lambda *now: seen.append(now))
        await stt.aclose()
    fractions = [f for what, f in seen if what.startswith("Downloading") and f is not None]
    assert fractions
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert "README.md" not in full_hub.requested
    assert FasterWhisperSTT.availability("tiny", settings).status == "ready"
    again = await FasterWhisperSTT.load("tiny", settings)  # from the cache, the server is gone
    stream = again.stream()
    stream.push((np.random.default_rng(1).standard_normal(16_000) * 3000).astype(np.int16))
    assert (await stream.finish()).text
    await again.aclose()


async def test_a_piper_voice_is_downloaded_and_speaks(
    settings: Settings, full_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(full_hub.app) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        tts = await PiperTTS.load(VOICE, settings)
        assert [pcm async for pcm in tts.synthesize("Hello.", VoiceStyle())]
        assert PiperTTS.availability(VOICE, settings).reason == "in the cache"
        with pytest.raises(UnknownModel, match="en_US-nobody-low"):
            await PiperTTS.load("en_US-nobody-low", settings)
        with pytest.raises(UnknownModel, match="no owner/nothing"):
            await FasterWhisperSTT.load("owner/nothing", settings)


async def test_auto_takes_what_can_be_downloaded_in_time(
    settings: Settings, full_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(full_hub.app) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        choice, backend = await choose("tts", settings)
        await backend.aclose()
        assert choice.spec == f"piper:{VOICE}"
        assert "downloaded now" in choice.reason
        choice, backend = await choose("tts", settings)
        await backend.aclose()
        assert choice.reason == "the best that is ready: in the cache"


async def test_auto_does_not_wait_for_a_slow_download(
    settings: Settings, full_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_hub.slow = asyncio.Event()
    hurried = settings.model_copy(update={"download_timeout": 0.5})
    async with serving(full_hub.app) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        choice, backend = await choose("tts", hurried)
        await backend.aclose()
        assert not choice.spec.startswith("piper")
        assert "not downloaded within 0.5 s" in choice.reason
        full_hub.slow.set()


async def test_offline_says_so_and_what_to_do(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    with pytest.raises(ModelLoadError, match=r"offline\? Give a folder"):
        await FasterWhisperSTT.load("tiny", settings)
    with pytest.raises(ModelLoadError, match=r"offline\? Give a voice file"):
        await PiperTTS.load(VOICE, settings)
    choice, backend = await choose("stt", settings)
    await backend.aclose()
    assert choice.spec == "pocketsphinx:en-us"
    assert choice.reason.startswith("the embedded one, because faster-whisper: ")
    assert "offline" in choice.reason


async def test_a_hub_that_never_answers_is_given_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert not await hub.reachable(within=0.2)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not await hub.reachable()
