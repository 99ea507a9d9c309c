from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from numpy.typing import NDArray
from openai import AsyncOpenAI

from tests.support.hub_server import serving
from voicebot import openai_api
from voicebot.errors import ModelFailed, ModelLoadError, UnknownModel
from voicebot.registry import load_backend
from voicebot.settings import Settings
from voicebot.stt.base import DraftingStream, Transcription
from voicebot.stt.buffered import DraftingBufferedStream
from voicebot.stt.openai import OpenAISTT
from voicebot.testing.openai_audio import OpenAIAudio
from voicebot.testing.openai_server import OpenAIServer

TONE = (np.sin(np.arange(32_000) / 10) * 8000).astype(np.int16)


@pytest.fixture
def audio() -> OpenAIAudio:
    return OpenAIAudio(hears=["what is the weather", "hello world"])


@pytest.fixture
async def server(audio: OpenAIAudio) -> AsyncIterator[OpenAIServer]:
    server = OpenAIServer(api_key="secret", models=["chat", "whisper-1", "whisper-large"])
    server.app.include_router(audio.router, prefix="/v1")
    async with server:
        yield server


def settings_for(server: OpenAIServer, **changes: Any) -> Settings:
    changes = {"openai_base_url": server.url, "openai_api_key": "secret"} | changes
    return Settings(_env_file=None, **changes)


async def test_uploads_a_wav_and_reads_words(server: OpenAIServer, audio: OpenAIAudio) -> None:
    stt = await OpenAISTT.load("whisper-large", settings_for(server, stt_language="EN"))
    assert stt.name == "openai:whisper-large"
    stream = stt.stream()
    for start in range(0, len(TONE), 320):
        stream.push(TONE[start : start + 320])
    heard = await stream.finish()
    assert heard.text == "what is the weather"
    assert heard.language == "en"
    assert [(word.text, word.start, word.end) for word in heard.words] == [
        ("what", 0.0, 0.5),
        ("is", 0.5, 1.0),
        ("the", 1.0, 1.5),
        ("weather", 1.5, 2.0),
    ]
    assert audio.uploads == [
        {
            "model": "whisper-large",
            "language": "en",
            "format": "verbose_json",
            "seconds": 2.0,
            "rate": 16_000,
            "channels": 1,
            "width": 2,
        }
    ]
    await stt.aclose()
    await stt.aclose()
    detecting = await OpenAISTT.load("whisper-large", settings_for(server))
    second = detecting.stream()
    second.push(TONE)
    assert (await second.finish()).language == "en"  # the server says "english"
    assert audio.uploads[-1]["language"] == ""
    await detecting.aclose()


async def test_a_model_that_the_server_lacks_is_refused_with_a_list(
    server: OpenAIServer, audio: OpenAIAudio
) -> None:
    audio.models = ["whisper-1", "alias"]
    with pytest.raises(UnknownModel, match=r"no model 'whisper-one'.*lists: chat, whisper-1, whisper-large"):
        await load_backend("stt", "openai:whisper-one", settings_for(server))
    alias = await load_backend("stt", "openai:alias", settings_for(server))  # works, and is not listed
    await alias.aclose()
    audio.fail = 503  # may work later
    busy = await load_backend("stt", "openai:alias", settings_for(server))
    await busy.aclose()


async def test_an_address_without_the_api_is_explained(server: OpenAIServer) -> None:
    page = FastAPI()
    page.add_api_route("/{path:path}", lambda path: HTMLResponse("<h1>a page</h1>"))
    async with serving(page) as address:
        with pytest.raises(ModelLoadError, match=r"not as an OpenAI-compatible server.*/v1"):
            await load_backend("stt", "openai:whisper-1", settings_for(server, openai_base_url=address))
    without = settings_for(server, openai_base_url=server.url.removesuffix("/v1"))
    with pytest.raises(UnknownModel, match=r"correct OPENAI_BASE_URL: it usually ends in /v1"):
        await load_backend("stt", "openai:whisper-1", without)


async def test_a_model_without_word_times_is_asked_again_plainly(
    server: OpenAIServer, audio: OpenAIAudio
) -> None:
    audio.verbose = False
    stt = await OpenAISTT.load("", settings_for(server))
    for expected in ("what is the weather", "hello world"):
        stream = stt.stream()
        stream.push(TONE)
        heard = await stream.finish()
        assert (heard.text, heard.words) == (expected, ())
    assert server.paths.count("/v1/audio/transcriptions") == 3  # only the first was asked twice
    await stt.aclose()


async def test_silence_is_not_uploaded(server: OpenAIServer, audio: OpenAIAudio) -> None:
    stt = await OpenAISTT.load("", settings_for(server))
    stream = stt.stream()
    stream.push(np.zeros(16_000, np.int16))
    assert (await stream.finish()).text == ""
    cancelled = stt.stream()
    cancelled.push(TONE)
    cancelled.cancel()
    assert (await cancelled.finish()).text == ""
    assert audio.uploads == []
    await stt.aclose()


async def test_a_draft_is_one_request_and_finish_reuses_it(server: OpenAIServer, audio: OpenAIAudio) -> None:
    stt = await OpenAISTT.load("", settings_for(server))  # on this machine
    stream = stt.stream()
    assert isinstance(stream, DraftingStream)
    assert stream.interim() is None
    stream.push(TONE)
    draft = await stream.draft()
    assert draft.text == "what is the weather"
    assert stream.interim() is draft
    stream.push(np.zeros(16_000, np.int16))
    assert await stream.finish() is draft
    assert len(audio.uploads) == 1
    goes_on = stt.stream()
    assert isinstance(goes_on, DraftingStream)
    for seconds in (2, 4):
        goes_on.push(TONE)
        await goes_on.draft()
        assert audio.uploads[-1]["seconds"] == seconds
    assert len(audio.uploads) == 3
    await stt.aclose()


async def test_a_draft_that_nobody_waits_for_is_cancelled() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def transcribe(pcm: NDArray[np.int16]) -> Transcription:
        if begun.is_set():
            return Transcription("hello")
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    stream = DraftingBufferedStream(transcribe)
    stream.push(TONE)
    drafting = asyncio.ensure_future(stream.draft())
    await begun.wait()
    drafting.cancel()
    await cancelled.wait()
    assert (await stream.finish()).text == "hello"


@pytest.mark.parametrize(
    ("address", "setting", "drafts"),
    [
        ("http://localhost:8000/v1", "auto", True),
        ("http://192.168.1.7:8000/v1", "auto", True),
        ("http://[::1]:8000/v1", "auto", True),
        ("http://whisper:8000/v1", "auto", True),
        ("https://api.groq.com/openai/v1", "auto", False),
        ("https://8.8.8.8/v1", "auto", False),
        ("", "auto", False),
        ("", "always", True),
        ("http://localhost:8000/v1", "never", False),
    ],
)
async def test_servers_that_bill_are_not_asked_for_drafts(
    monkeypatch: pytest.MonkeyPatch, address: str, setting: str, drafts: bool
) -> None:
    async def connect(settings: Settings, **_: object) -> tuple[AsyncOpenAI, list[str]]:
        return AsyncOpenAI(api_key="key"), ["whisper-1"]

    monkeypatch.setattr(openai_api, "connect", connect)
    settings = Settings(_env_file=None, openai_base_url=address, stt_drafts=setting)  # type: ignore[call-arg]
    stt = await OpenAISTT.load("whisper-1", settings)
    assert isinstance(stt.stream(), DraftingStream) is drafts
    await stt.aclose()


@pytest.mark.parametrize(
    ("status", "says", "retryable"),
    [
        (401, "rejects the key", False),
        (404, "no model", False),
        (429, "too many", True),
        (500, "500", True),
    ],
)
async def test_the_servers_errors_are_explained(
    server: OpenAIServer, audio: OpenAIAudio, status: int, says: str, retryable: bool
) -> None:
    stt = await OpenAISTT.load("", settings_for(server))
    audio.fail = status
    stream = stt.stream()
    stream.push(TONE)
    with pytest.raises(ModelFailed, match=says) as caught:
        await stream.finish()
    assert caught.value.retryable is retryable
    audio.fail = 0
    again = stt.stream()
    again.push(TONE)
    assert (await again.finish()).text == "what is the weather"
    await stt.aclose()


async def test_a_dead_server_a_wrong_key_and_no_server_are_explained(server: OpenAIServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nowhere = settings_for(server, openai_base_url=f"http://127.0.0.1:{port}/v1")
    with pytest.raises(ModelLoadError, match=r"cannot be reached.*OPENAI_BASE_URL"):
        await load_backend("stt", "openai:whisper-1", nowhere)
    with pytest.raises(ModelLoadError, match=r"rejects the key.*OPENAI_API_KEY"):
        await load_backend("stt", "openai", settings_for(server, openai_api_key="wrong"))
    nothing = Settings(_env_file=None, openai_base_url="", openai_api_key="")  # type: ignore[call-arg,arg-type]
    assert OpenAISTT.availability("", nothing).status == "missing"
    with pytest.raises(ModelLoadError, match=r"Set OPENAI_BASE_URL"):
        await load_backend("stt", "openai", nothing)
