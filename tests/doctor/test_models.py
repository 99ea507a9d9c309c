from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.models.test_endpoint_model import make_model as make_end_of_turn_model
from voicebot.doctor import examine, models
from voicebot.doctor.check import Check
from voicebot.llm.openai import OpenAILLM
from voicebot.registry import Availability
from voicebot.settings import Settings, load_settings
from voicebot.stt.pocketsphinx.backend import PocketSphinxSTT
from voicebot.testing.openai_server import OpenAIServer
from voicebot.testing.small_models import make_piper_voice

Start = Callable[[Callable[[str, str], tuple[int, object]]], str]


def listing(*ids: str) -> Callable[[str, str], tuple[int, object]]:
    def answer(path: str, key: str) -> tuple[int, object]:
        if path != "/v1/models":
            return 404, {}
        return 200, {"object": "list", "data": [{"id": i, "object": "model"} for i in ids]}

    return answer


def using(base: str, model: str = "", key: str = "") -> Settings:
    return load_settings(None, openai_base_url=base, openai_model=model, openai_api_key=key)


async def server_check(settings: Settings) -> Check:
    check = await models.language_model_server(settings)
    assert check is not None
    return check


async def test_a_server_that_has_the_model(openai_server: Start) -> None:
    check = await server_check(using(openai_server(listing("llama3", "qwen")), "qwen"))
    assert (check.status, "has qwen" in check.detail) == ("ok", True)


async def test_a_server_behind_a_proxy_is_reached_the_way_agents_reach_it(
    openai_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def proxy(path: str, key: str) -> tuple[int, object]:
        return (200, {"data": [{"id": "qwen"}]}) if path == "http://llm.invalid/v1/models" else (404, {})

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", openai_server(proxy).removesuffix("/v1"))
    assert (await server_check(using("http://llm.invalid/v1", "qwen"))).status == "ok"


async def test_for_a_missing_model_the_available_ones_are_listed(openai_server: Start) -> None:
    check = await server_check(using(openai_server(listing("llama3", "qwen")), "gpt"))
    assert check.status == "failed"
    assert "'gpt'" in check.detail
    assert "llama3, qwen" in check.advice


async def test_without_a_model_setting_the_check_says_what_to_set(openai_server: Start) -> None:
    check = await server_check(using(openai_server(listing("llama3"))))
    assert check.status == "failed"
    assert "OPENAI_MODEL=llama3" in check.advice


async def test_the_key_is_sent_and_a_wrong_one_is_reported(openai_server: Start) -> None:
    def answer(path: str, key: str) -> tuple[int, object]:
        return (200, {"data": [{"id": "m"}]}) if key == "right" else (401, {"error": "no"})

    base = openai_server(answer)
    assert (await server_check(using(base, "m", "right"))).status == "ok"
    check = await server_check(using(base, "m", "wrong-key"))
    assert check.status == "failed"
    assert "OPENAI_API_KEY" in check.advice
    assert "wrong-key" not in check.detail + check.advice


async def test_user_password_and_query_are_sent_but_not_shown() -> None:
    async with OpenAIServer(models=["m"], prefix="/t0ken-canary") as server:
        base = server.url.replace("://", "://ann:pass-canary@") + "?key=canary"
        check = await server_check(using(base, "m"))
        assert (check.status, check.detail) == (
            "ok",
            f"{server.url.replace('t0ken-canary', '…')} answers and has m",
        )
        assert server.queries == ["key=canary"]
        assert server.authorizations[0].startswith("Basic ")
    check = await server_check(using(base, "m"))
    assert "cannot be reached" in check.detail
    assert "canary" not in f"{check}"
    async for check in examine(using(base, "m")):
        assert "canary" not in f"{check}"


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ((500, {}), "warning", "answers 500"),
        ((404, {}), "warning", "answers 404"),
        ((200, b"<html>"), "warning", "not as an OpenAI-compatible"),
        ((200, ["a"]), "warning", "not as an OpenAI-compatible"),
        ((200, {"data": [1, {"no": "id"}]}), "ok", "answers"),
    ],
)
async def test_answers_that_are_not_openai_compatible_are_explained(
    openai_server: Start, answer: tuple[int, Any], status: str, words: str
) -> None:
    check = await server_check(using(openai_server(lambda path, key: answer), "m"))
    assert check.status == status
    assert words in check.detail


async def test_a_server_that_is_down_or_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "PATIENCE", 0.2)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
        check = await server_check(using(base, "m"))
        assert check.status == "failed"
        assert "cannot be reached" in check.detail
        sock.listen()
        check = await server_check(using(base, "m"))
        assert "did not answer within" in check.detail


async def test_without_a_server_setting_no_request_is_sent() -> None:
    assert await models.language_model_server(load_settings(None)) is None


async def test_local_servers_are_offered_with_the_lines_to_set(openai_server: Start) -> None:
    addresses = {
        "Ollama": openai_server(listing("llama3")),
        "Other": openai_server(lambda path, key: (200, b"<html>")),
        "Empty": openai_server(listing()),
    }
    ports = {name: int(base.split(":")[2].split("/")[0]) for name, base in addresses.items()} | {"Down": 1}
    [check] = await models.local_servers(load_settings(None), ports)
    assert check.name == "local server (Ollama)"
    assert f"OPENAI_BASE_URL={addresses['Ollama']} and OPENAI_MODEL=llama3" in check.advice
    assert await models.local_servers(using(addresses["Ollama"]), ports) == []


def test_each_role_has_a_check_with_a_reason() -> None:
    checks = models.roles(load_settings(None))
    assert [c.name for c in checks] == list(models.NAMES.values())
    llm = checks[list(models.NAMES).index("llm")]
    assert "offline" in llm.detail
    assert "OPENAI_BASE_URL" in llm.advice


def test_an_unknown_model_fails_and_lists_the_known_ones() -> None:
    check = models.role("stt", load_settings(None, stt_model="nonsense:small"))
    assert check.status == "failed"
    assert "'nonsense'" in check.detail
    assert "pocketsphinx" in check.advice


@pytest.mark.needs("flite")
def test_auto_names_the_best_ready_model_and_the_alternatives(tmp_path: Path) -> None:
    settings = load_settings(None, data_dir=tmp_path, download_timeout=0)  # no piper voice in this folder
    check = models.role("tts", settings)
    assert check.status == "ok"
    assert check.detail.startswith("flite (the best that is ready: ")
    assert "also ready: espeak" in check.detail
    downloading = models.role("tts", load_settings(None, data_dir=tmp_path))
    assert downloading.status == "note"
    assert "piper" in downloading.advice


def test_auto_without_the_embedded_recogniser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        PocketSphinxSTT,
        "availability",
        lambda *_: Availability("missing", "it is not installed", "Install it"),
    )
    check = models.role("stt", load_settings(None, data_dir=tmp_path))
    assert (check.status, "waits for the download" in check.advice) == ("note", True)
    assert check.detail == "faster-whisper, because it is not installed"
    never = models.role("stt", load_settings(None, data_dir=tmp_path, download_timeout=0))
    assert (never.status, never.advice) == ("failed", "Install it")


@pytest.mark.parametrize(
    ("found", "status", "words", "advice"),
    [
        (Availability("ready", "in the cache"), "ok", "in the cache", ""),
        (Availability("downloadable", "75 MB"), "note", "75 MB", "The server downloads it when it starts."),
        (Availability("missing", "needs a GPU", "Buy one."), "failed", "needs a GPU", "Buy one."),
    ],
)
def test_a_model_that_the_settings_name(
    monkeypatch: pytest.MonkeyPatch, found: Availability, status: str, words: str, advice: str
) -> None:
    class Backend:
        known_models = load = aclose = None

        @classmethod
        def availability(cls, model: str, settings: Settings) -> Availability:
            assert model == "small"
            return found

    monkeypatch.setattr(models, "backend_class", lambda role, provider: Backend)
    check = models.role("stt", load_settings(None, stt_model="ours:small"))
    assert check.status == status
    assert f"ours:small (set in the settings): {words}" in check.detail
    assert check.advice == advice


@pytest.mark.parametrize("endpointing", ["dynamic", "fixed"])
async def test_no_learned_end_of_turn_needs_no_check(endpointing: str) -> None:
    assert await models.end_of_turn(load_settings(None, endpointing=endpointing)) is None


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda file: None, "There is no file"),
        (lambda file: file.write_bytes(b"no model"), "cannot be loaded as an ONNX model"),
        (make_piper_voice, "is not an end-of-turn model: it takes input tensor(int64)"),
    ],
)
async def test_a_learned_end_of_turn_that_cannot_be_used(
    tmp_path: Path, write: Callable[[Path], object], words: str
) -> None:
    file = tmp_path / "turn.onnx"
    write(file)
    settings = load_settings(None, endpointing=f"onnx:{file}")
    [check] = [check async for check in examine(settings) if check.name == "end of turn"]
    assert (check.group, check.status) == ("Models", "failed")
    assert words in check.detail
    assert "Smart Turn v3" in check.advice


async def test_a_learned_end_of_turn_that_works(tmp_path: Path) -> None:
    settings = load_settings(None, endpointing=f"onnx:{make_end_of_turn_model(tmp_path / 'turn.onnx')}")
    check = await models.end_of_turn(settings)
    assert check is not None
    assert (check.status, check.detail) == ("ok", "onnx:turn.onnx (set in the settings)")


@pytest.mark.parametrize(
    ("model", "key", "status"),
    [
        ("small", "right", "ok"),
        ("tagged", "right", "ok"),  # Ollama lists it as tagged:latest
        ("big", "right", "failed"),
        ("small", "wrong", "failed"),
    ],
)
async def test_the_doctor_and_the_language_model_agree_about_a_server(
    model: str, key: str, status: str
) -> None:
    async with OpenAIServer(models=["small", "tagged:latest"], api_key="right") as server:
        settings = using(server.url, model, key)
        check = await server_check(settings)
        llm = await OpenAILLM.load(model, settings)
        found = await llm.check()
        await llm.aclose()
    assert (check.status, found.status) == (status, "ready" if status == "ok" else "missing")
    assert bool(check.advice) == bool(found.hint) == (status == "failed")


async def test_a_local_server_is_offered_once_with_lines_to_copy() -> None:
    async with OpenAIServer(models=["small", "big"]) as server:
        port = int(server.url.rpartition(":")[2].removesuffix("/v1"))
        [check] = await models.local_servers(load_settings(None), {"Ollama": port})
        assert "OPENAI_MODEL=small" in check.advice
        copied = using(server.url, "small")
        assert await models.local_servers(copied, {"Ollama": port}) == []
        assert (await server_check(copied)).status == "ok"
        assert server.url in check.advice
        assert server.paths == ["/v1/models"] * 2
    gone = await server_check(copied)
    assert (gone.status, "Start the server" in gone.advice) == ("failed", True)
