from __future__ import annotations

import socket
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from tests.support.hub_server import serving
from voicebot.agent.models.choose import LocalLLM, choose, probe_local_llms
from voicebot.errors import UnknownModel
from voicebot.settings import Settings
from voicebot.testing.openai_server import OpenAIServer


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path)  # type: ignore[call-arg]


async def test_a_model_in_the_settings_is_used(settings: Settings) -> None:
    named = settings.model_copy(update={"tts_model": "espeak:de"})
    choice, backend = await choose("tts", named)
    assert (choice.spec, choice.reason, backend.name) == ("espeak:de", "set in the settings", "espeak:de")


async def test_a_provider_alone_is_completed_with_its_model(settings: Settings) -> None:
    choice, backend = await choose("tts", settings.model_copy(update={"tts_model": "espeak"}))
    assert choice.spec == backend.name == "espeak:en-us"
    wrong = settings.model_copy(update={"tts_model": "espeek"})
    with pytest.raises(UnknownModel, match=r"Did you mean espeak\?"):
        await choose("tts", wrong)


async def test_auto_falls_back_to_the_embedded_models_and_says_why(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # no flite
    choice, backend = await choose("tts", settings)
    await backend.aclose()
    assert choice.spec == "espeak:en-us"
    assert choice.reason.startswith("the built-in one, because piper: ")
    assert "offline" in choice.reason
    never = settings.model_copy(update={"download_timeout": 0.0})
    choice, backend = await choose("tts", never)
    await backend.aclose()
    assert choice.reason == "the built-in one, because nothing better is installed; set TTS_MODEL for another"


@pytest.mark.needs("flite")
async def test_auto_uses_flite_with_a_voice_chosen_by_the_seed(settings: Settings) -> None:
    choice, backend = await choose("tts", settings)
    assert choice.spec == "flite"
    assert len(backend.voices) > 1  # type: ignore[attr-defined]


async def test_the_offline_language_model_says_what_to_set(settings: Settings) -> None:
    choice, backend = await choose("llm", settings)
    await backend.aclose()
    assert choice.spec == "offline"
    assert "OPENAI_BASE_URL" in choice.reason


async def test_only_local_language_models_are_found() -> None:
    ours = FastAPI()
    ours.add_api_route("/{path:path}", lambda path: HTMLResponse("<h1>a lobby</h1>"))
    other = FastAPI()
    other.add_api_route("/v1/models", lambda: {"models": ["a"], "data": "b"})
    async with (
        OpenAIServer(models=("llama", "qwen")) as llm,
        serving(ours) as page,
        serving(other) as api,
    ):
        ports = {
            "Ollama": int(llm.url.split(":")[2].split("/")[0]),
            "vLLM": int(page.rpartition(":")[2]),
            "llama.cpp": int(api.rpartition(":")[2]),
            "LM Studio": 1,
        }
        assert await probe_local_llms(ports, patience=20) == (LocalLLM("Ollama", llm.url, ("llama", "qwen")),)
