from __future__ import annotations

import asyncio
import importlib.util
import logging
import socket
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.responses import Response
from huggingface_hub.utils._xet_progress_reporting import XetDownloadProgressReporter

from tests.support.hub_server import Hub, serving
from tests.support.waiting import GUARD
from voicebot import hub
from voicebot.agent.models.choose import choose
from voicebot.errors import ModelError, ModelLoadError, UnknownModel
from voicebot.settings import Settings
from voicebot.stt.faster_whisper import backend as faster_whisper
from voicebot.stt.faster_whisper.backend import SIZES, FasterWhisperSTT
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
    assert len({what for what, _ in seen if what.startswith("Downloading")}) == 1  # one bar, not one per MB
    assert "README.md" not in full_hub.requested
    assert FasterWhisperSTT.availability("tiny", settings).status == "ready"
    again = await FasterWhisperSTT.load("tiny", settings)  # from the cache, the server is gone
    stream = again.stream()
    stream.push((np.random.default_rng(1).standard_normal(16_000) * 3000).astype(np.int16))
    assert (await stream.finish()).text
    await again.aclose()


async def test_an_incomplete_cached_whisper_model_is_completed(
    settings: Settings, full_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(full_hub.app) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        await (await FasterWhisperSTT.load("tiny", settings)).aclose()
        [vocabulary] = hub.hub_dir(settings).glob("models--*/snapshots/*/vocabulary.json")
        vocabulary.unlink()
        assert FasterWhisperSTT.availability("tiny", settings).status == "downloadable"
        await (await FasterWhisperSTT.load("tiny", settings)).aclose()
        assert vocabulary.is_file()


def test_bytes_that_xet_counts_twice_are_shown_once() -> None:
    seen: list[tuple[str, float | None]] = []
    bar = hub.progress_bar("Downloading x", 100, lambda *now: seen.append(now), lambda: False)
    with XetDownloadProgressReporter(
        reconstruction_desc="x", total=100, log_level=logging.INFO, tqdm_class=bar
    ) as reporter:
        for received, written in ((50, 0), (100, 40), (100, 100)):
            report = SimpleNamespace(
                total_bytes=100,
                total_bytes_completed=written,
                total_transfer_bytes_completed=received,
                total_bytes_completion_rate=1.0,
                total_transfer_bytes_completion_rate=1.0,
            )
            reporter.update_progress(report)
    assert seen == [("Downloading x", 0.4), ("Downloading x", 1.0)]


async def test_a_cancelled_xet_download_ends_and_leaves_nothing(
    settings: Settings, full_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def under_way() -> list[Path]:
        return list(hub.hub_dir(settings).glob("**/*.incomplete"))

    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        full_hub.xet = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with serving(full_hub.app) as address:
            monkeypatch.setenv("HF_ENDPOINT", address)
            loading = asyncio.ensure_future(PiperTTS.load(VOICE, settings))
            asked, _ = await asyncio.to_thread(silent.accept)
            with asked:
                assert under_way()
                loading.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await loading
                async with asyncio.timeout(GUARD):
                    while under_way():  # noqa: ASYNC110
                        await asyncio.sleep(0)


async def test_a_gated_repository_needs_a_token(
    settings: Settings, full_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_hub.gated = True
    async with serving(full_hub.app) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(ModelLoadError, match=rf"{address}/owner/secret.*HF_TOKEN"):
            await FasterWhisperSTT.load("owner/secret", settings)


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


async def test_auto_uses_a_model_that_can_be_downloaded_in_time(
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
        assert "not downloaded within 0.5 s (set TTS_MODEL=piper to wait for it)" in choice.reason
        full_hub.slow.set()


@pytest.fixture
def no_pocketsphinx(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where it has no wheel."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pocketsphinx" else find_spec(name)
    )
    monkeypatch.setattr(faster_whisper, "_best_size", lambda: "tiny")


@pytest.mark.usefixtures("no_pocketsphinx")
async def test_auto_waits_for_a_download_when_there_is_nothing_to_fall_back_to(
    settings: Settings, full_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_hub.slow = asyncio.Event()
    hurried = settings.model_copy(update={"download_timeout": 0.01})
    async with serving(full_hub.app) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        choosing = asyncio.ensure_future(choose("stt", hurried))
        while not full_hub.requested and not choosing.done():  # noqa: ASYNC110
            await asyncio.sleep(0)
        full_hub.slow.set()
        choice, backend = await choosing
        await backend.aclose()
    assert (choice.spec, choice.reason) == ("faster-whisper:tiny", "the best that is ready: downloaded now")


@pytest.mark.usefixtures("no_pocketsphinx")
async def test_offline_without_a_fallback_the_error_says_what_would_help(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"HF_HUB_OFFLINE.*STT_MODEL\. pip install .*Python 3\.11 to 3\.13"):
        await choose("stt", settings)


async def test_the_error_for_an_offline_machine_says_what_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    with pytest.raises(ModelLoadError, match=r"offline\. Give a folder"):
        await FasterWhisperSTT.load("tiny", settings)
    with pytest.raises(ModelLoadError, match=r"offline\. Give a voice file"):
        await PiperTTS.load(VOICE, settings)
    choice, backend = await choose("stt", settings)
    await backend.aclose()
    assert choice.spec == "pocketsphinx:en-us"
    assert choice.reason.startswith("the built-in one, because faster-whisper: ")
    assert "offline" in choice.reason


async def test_a_hub_that_never_answers_times_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert not await hub.reachable(within=0.2)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not await hub.reachable()
    with pytest.raises(ModelLoadError, match=r"HF_HUB_OFFLINE forbids.*Unset HF_HUB_OFFLINE"):
        await FasterWhisperSTT.load("tiny", settings)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 302, 500])
async def test_a_mirror_may_answer_with_any_status(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    mirror = FastAPI()
    mirror.add_api_route("/", lambda: Response(status_code=status), methods=["HEAD"])
    async with serving(mirror) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        assert await hub.reachable(within=20)
