from __future__ import annotations

import asyncio
from importlib import metadata
from importlib.metadata import EntryPoints
from pathlib import Path
from typing import Any

import psutil
import pytest

from voicebot import registry
from voicebot.agent import Models, Swapped
from voicebot.errors import ModelError, ModelLoadError, UnknownModel
from voicebot.settings import Settings
from voicebot.testing.models import ScriptedLLM, ScriptedSTT, ScriptedTTS
from voicebot.testing.openai_server import OpenAIServer


@pytest.fixture
def models(tmp_path: Path) -> Models:
    settings = Settings(_env_file=None, data_dir=tmp_path)  # type: ignore[call-arg]
    return Models(settings, stt=ScriptedSTT(), tts=ScriptedTTS(), llm=ScriptedLLM())


async def test_observers_hear_of_a_swap_and_a_failed_swap_keeps_the_old_model(models: Models) -> None:
    swaps: list[Swapped] = []
    stop = models.subscribe(swaps.append)
    await models.swap("llm", "offline")
    assert models.llm.name == models.chosen["llm"].spec == "offline"
    with pytest.raises(UnknownModel, match="no LLM backend"):
        await models.swap("llm", "nonsense:x")
    with pytest.raises(ModelLoadError, match="OPENAI_BASE_URL"):
        await models.swap("llm", "openai:x")
    assert models.llm.name == "offline"
    stop()
    await models.swap("llm", "offline")
    assert swaps == [Swapped("llm", "scripted-llm", "offline")]
    await models.aclose()


async def test_a_model_without_a_server_cannot_be_swapped_in(tmp_path: Path) -> None:
    async with OpenAIServer(models=["small"]) as server:
        settings = Settings(
            _env_file=None, data_dir=tmp_path, openai_base_url=server.url, openai_model="small"
        )  # type: ignore[call-arg]
        models = Models(settings, stt=ScriptedSTT(), tts=ScriptedTTS(), llm=ScriptedLLM())
        with pytest.raises(ModelLoadError, match="no model 'big'") as error:
            await models.swap("llm", "openai:big")
        assert "small" in error.value.hint
        assert models.llm.name == "scripted-llm"
        await models.swap("llm", "openai:small")
        assert models.llm.name == "openai:small"
    with pytest.raises(ModelLoadError, match="cannot be reached") as caught:
        await models.swap("llm", "openai:small")
    assert ".." not in str(caught.value)
    await models.aclose()


async def test_a_server_that_is_down_at_the_start_is_a_warning(
    tmp_path: Path,
) -> None:
    async with OpenAIServer(models=["small"]) as server:
        gone = server.url
    settings = Settings(
        _env_file=None, data_dir=tmp_path, openai_base_url=gone, openai_model="small", tts_model="espeak"
    )  # type: ignore[call-arg]
    models = Models(settings, stt=ScriptedSTT())
    await models.start()
    assert models.llm.name == models.chosen["llm"].spec == "openai:small"
    assert gone in models.chosen["llm"].warning
    assert ".." not in models.chosen["llm"].warning
    assert models.chosen["tts"].spec == models.tts.name in {o.spec for o in models.options("tts")}
    assert models.chosen["tts"].warning == ""
    await models.aclose()


async def test_a_failed_load_is_reported_while_another_model_is_downloading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, stt_model="nonsense:x", tts_model="large")  # type: ignore[call-arg]
    downloading, given_up = asyncio.Event(), asyncio.Event()

    async def load(role: registry.Role, *rest: Any) -> registry.Backend:
        if role != "tts":
            await downloading.wait()
            return await registry.load_backend(role, *rest)
        downloading.set()
        try:
            return await asyncio.Future()
        finally:
            given_up.set()

    monkeypatch.setattr("voicebot.agent.models.choose.load_backend", load)
    models = Models(settings, llm=ScriptedLLM())
    with pytest.raises(UnknownModel, match="nonsense"):
        await models.start()
    assert given_up.is_set()
    await models.aclose()


async def test_a_model_is_loaded_only_once(models: Models) -> None:
    one, two = await asyncio.gather(models.get("llm", "offline"), models.get("llm", " offline"))
    assert one is two
    await models.aclose()


async def test_a_model_with_two_names_is_loaded_only_once(models: Models) -> None:
    def workers() -> int:
        return len(psutil.Process().children())

    before = workers()
    one, two = await asyncio.gather(
        models.get("stt", "pocketsphinx"), models.get("stt", "pocketsphinx:en-us")
    )
    assert one is two
    assert workers() == before + 1
    await models.aclose()
    assert workers() == before


@pytest.mark.parametrize("how", ["get", "swap"])
async def test_a_model_whose_load_ends_after_closing_is_closed(
    models: Models, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    late, begun, gate = ScriptedSTT(), asyncio.Event(), asyncio.Event()

    async def load(*_: object) -> ScriptedSTT:
        begun.set()
        await gate.wait()
        return late

    monkeypatch.setattr("voicebot.agent.models.models.load_backend", load)
    loading = asyncio.ensure_future(getattr(models, how)("stt", "late"))
    await begun.wait()
    await models.aclose()
    gate.set()
    with pytest.raises(ModelError, match="models were closed"):
        await loading
    assert late.closed
    assert not models.started


async def test_options_read_the_package_metadata_once(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def entry_points(group: str) -> EntryPoints:
        asked.append(group)
        return metadata.entry_points(group=group)

    monkeypatch.setattr(registry, "entry_points", entry_points)
    assert {"espeak", "flite"} <= {option.spec.partition(":")[0] for option in models.options("tts")}
    assert asked == ["voicebot.tts"]
    await models.aclose()


async def test_a_broken_observer_does_not_stop_a_swap(models: Models) -> None:
    def broken(event: Swapped) -> None:
        raise RuntimeError("no")

    models.subscribe(broken)
    await models.swap("llm", "offline")
    assert models.llm.name == "offline"
    await models.aclose()


async def test_options_name_every_backend_with_its_availability(models: Models) -> None:
    options = models.options("llm")
    assert options[0].spec == "scripted-llm"
    found = {option.spec: option.availability for option in options}
    assert found["offline"].status == "ready"
    assert found["openai"].status == "missing"
    assert "OPENAI_BASE_URL" in found["openai"].hint
    await models.aclose()


async def test_models_raise_an_error_before_start(tmp_path: Path) -> None:
    models = Models(Settings(_env_file=None, data_dir=tmp_path))  # type: ignore[call-arg]
    with pytest.raises(ModelError, match="loaded yet"):
        _ = models.stt
    assert not models.started


async def test_aclose_closes_every_backend_once(models: Models) -> None:
    stt = models.stt
    await models.aclose()
    await models.aclose()
    assert stt.closed  # type: ignore[attr-defined]
