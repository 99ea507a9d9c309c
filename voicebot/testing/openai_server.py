"""An OpenAI-compatible server on real HTTP whose answers come from a script.

    async with OpenAIServer([Say("Hello there.")]) as server:
        settings = Settings(openai_base_url=server.url, openai_model="test", ...)
        ...
    # leaving the block fails if answers are left

It has `GET /v1/models` and `POST /v1/chat/completions` (JSON and SSE). Other routes can be added to
`server.app` before the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from voicebot.testing.models import ScriptError


@dataclass(frozen=True)
class Say:
    """An answer. A string is streamed word by word, and a sequence chunk by chunk."""

    text: str | Sequence[str] = ""
    reasoning: str | Sequence[str] = ""
    """Sent as `reasoning_content` before the text."""
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    """Name and arguments of each function to call."""
    gates: Mapping[int, asyncio.Event] = field(default_factory=dict)
    """Events to await before the n-th text chunk."""
    drop_after: int | None = None
    """Number of text chunks after which the connection is cut."""
    error_after: int | None = None
    """Number of text chunks after which the stream sends an error object."""
    usage: tuple[int, int] = (11, 7)
    """Number of tokens in and out."""

    def chunks(self) -> list[str]:
        """The text in the pieces that are streamed."""
        if not isinstance(self.text, str):
            return list(self.text)
        return [word + " " for word in self.text.split(" ")[:-1]] + self.text.split(" ")[-1:]


@dataclass(frozen=True)
class Fail:
    """An HTTP error instead of an answer."""

    status: int
    message: str = "scripted failure"
    retry_after: float | None = None
    """Value of the Retry-After header in seconds."""


@dataclass(frozen=True)
class Hang:
    """No answer until the client disconnects or the server stops."""


Step = Say | Fail | Hang


class OpenAIServer:
    """An OpenAI-compatible server for tests; see the module."""

    def __init__(
        self,
        script: Sequence[Step | str] = (),
        *,
        models: Sequence[str] = ("test",),
        api_key: str | None = None,
        prefix: str = "",
    ) -> None:
        self.script: list[Step] = [Say(step) if isinstance(step, str) else step for step in script]
        self.models = list(models)
        self.requests: list[dict[str, Any]] = []
        """The JSON bodies of the chat completions, in order."""
        self.paths: list[str] = []
        """The path of every request, in order, without `prefix`."""
        self.queries: list[str] = []
        self.authorizations: list[str] = []
        """The Authorization header of every request; empty if there was none."""
        self.problems: list[str] = []
        self.cancelled = 0
        """Number of answers that the client did not wait for."""
        self.app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.api_key = api_key
        self.prefix = prefix
        """Path before `/v1`, such as "/hooks/secret"."""
        self._stop = asyncio.Event()
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.app.get("/v1/models")(self._models)
        self.app.post("/v1/chat/completions")(self._chat)
        self.app.add_middleware(_Recorder, server=self)

    @property
    def url(self) -> str:
        """The value for OPENAI_BASE_URL."""
        if self._socket is None:
            raise RuntimeError("The server has not been started.")
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}{self.prefix}/v1"

    async def __aenter__(self) -> OpenAIServer:
        self._socket = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            self.app, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(
            self._server.serve(sockets=[self._socket]), name="OpenAI-compatible test server"
        )
        await self._server.up.wait()
        return self

    async def __aexit__(self, kind: object, *error: object) -> None:
        self._stop.set()
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
        if kind is None:
            self.assert_consumed()

    def assert_consumed(self) -> None:
        """Raise ScriptError if answers are left or were missing."""
        problems = [*self.problems, *([f"{len(self.script)} answers left"] if self.script else [])]
        if problems:
            raise ScriptError("; ".join(problems))

    # ------------------------------------------------------------ routes

    async def _models(self) -> dict[str, Any]:
        entries = [{"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in self.models]
        return {"object": "list", "data": entries}

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        if not self.script:
            self.problems.append(f"request {len(self.requests)} has no answer in the script")
            return _error(Fail(400, self.problems[-1]))
        step = self.script.pop(0)
        if isinstance(step, Fail):
            return _error(step)
        if isinstance(step, Hang):
            with contextlib.suppress(asyncio.CancelledError):
                await self._gone(request)
            return Response(status_code=503)
        if body.get("stream"):
            return StreamingResponse(self._stream(step, body), media_type="text/event-stream")
        return JSONResponse(_whole(step, body))

    async def _gone(self, request: Request) -> None:
        """Wait until the client disconnects or the server stops."""
        stop = asyncio.ensure_future(self._stop.wait())
        while not stop.done():
            message = asyncio.ensure_future(request.receive())
            await asyncio.wait({stop, message}, return_when=asyncio.FIRST_COMPLETED)
            if message.done() and message.result()["type"] == "http.disconnect":
                self.cancelled += 1
                break
            message.cancel()
        stop.cancel()

    async def _stream(self, step: Say, body: Mapping[str, Any]) -> AsyncIterator[bytes]:
        def delta(content: dict[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": content, "finish_reason": finish, "logprobs": None}
            return _sse({**_head(body, "chat.completion.chunk"), "choices": [choice]})

        finished = False
        try:
            yield delta({"role": "assistant", "content": ""})
            reasoning = [step.reasoning] if isinstance(step.reasoning, str) else step.reasoning
            for part in filter(None, reasoning):
                yield delta({"reasoning_content": part})
            for index, text in enumerate([*step.chunks(), None]):
                if index in (step.drop_after, step.error_after):
                    finished = True
                    if index == step.drop_after:
                        raise _Drop
                    yield _sse({"error": {"message": "the model crashed", "type": "server_error"}})
                    return
                if text is not None:
                    if index in step.gates:
                        await step.gates[index].wait()
                    yield delta({"content": text})
            for index, call in enumerate(_calls(step)):
                yield delta({"tool_calls": [{"index": index, **call}]})
            yield delta({}, "tool_calls" if step.tool_calls else "stop")
            if (body.get("stream_options") or {}).get("include_usage"):
                yield _sse({**_head(body, "chat.completion.chunk"), "choices": [], "usage": _usage(step)})
            yield b"data: [DONE]\n\n"
            finished = True
        finally:
            if not finished:
                self.cancelled += 1


class _Recorder:
    """Records every request, and checks its key. It is plain ASGI, so that a broken stream stays broken."""

    def __init__(self, app: ASGIApp, server: OpenAIServer) -> None:
        self._app, self._server = app, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            server = self._server
            key = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
            scope = {**scope, "path": scope["path"].removeprefix(server.prefix)}
            server.paths.append(scope["path"])
            server.queries.append(scope["query_string"].decode("latin-1"))
            server.authorizations.append(key)
            if server.api_key is not None and key.removeprefix("Bearer ") != server.api_key:
                await _error(Fail(401, "Incorrect API key provided"))(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _Drop(Exception):
    """Ends a stream early, so that the client gets an incomplete chunked body."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the test runner."""
        yield


def _head(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-test", "object": kind, "created": 0, "model": body.get("model", "test")}


def _calls(step: Say) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for index, (name, arguments) in enumerate(step.tool_calls)
    ]


def _usage(step: Say) -> dict[str, int]:
    tokens_in, tokens_out = step.usage
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
    }


def _whole(step: Say, body: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(step.chunks())}
    if step.reasoning:
        message["reasoning_content"] = "".join(step.reasoning)
    if step.tool_calls:
        message["tool_calls"] = _calls(step)
    finish = "tool_calls" if step.tool_calls else "stop"
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    return {**_head(body, "chat.completion"), "choices": [choice], "usage": _usage(step)}


def _error(fail: Fail) -> JSONResponse:
    headers = {} if fail.retry_after is None else {"Retry-After": f"{fail.retry_after:g}"}
    content = {"error": {"message": fail.message, "type": "scripted", "param": None, "code": None}}
    return JSONResponse(content, status_code=fail.status, headers=headers)


def _sse(data: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"
