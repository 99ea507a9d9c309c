from __future__ import annotations

import httpx
import pytest

from voicebot.testing.models import ScriptError
from voicebot.testing.openai_server import OpenAIServer, Say

QUESTION = {"model": "test", "messages": [{"role": "user", "content": "hi"}]}


async def test_a_whole_answer_has_usage() -> None:
    async with OpenAIServer([Say("Hello.", usage=(3, 2))]) as server, httpx.AsyncClient() as client:
        answer = (await client.post(f"{server.url}/chat/completions", json=QUESTION)).json()
        assert answer["choices"][0]["message"]["content"] == "Hello."
        assert answer["usage"]["total_tokens"] == 5


async def test_an_unused_answer_fails() -> None:
    with pytest.raises(ScriptError, match="1 answers left"):
        async with OpenAIServer(["Hello."]):
            pass


async def test_an_unexpected_request_fails() -> None:
    server = OpenAIServer()
    async with httpx.AsyncClient() as client:
        await server.__aenter__()
        answer = await client.post(f"{server.url}/chat/completions", json=QUESTION)
        assert answer.status_code == 400
    with pytest.raises(ScriptError, match="no answer"):
        await server.__aexit__(None)
