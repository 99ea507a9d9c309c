"""The outermost middleware: gives each request an id, for the log and the X-Request-ID header."""

from __future__ import annotations

import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicebot import logs
from voicebot.server.telemetry.telemetry import Telemetry

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestContext:
    """Adds the request id to log records and responses, and times HTTP requests."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app, self._telemetry = app, telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        id = secrets.token_hex(8)
        if scope["type"] != "http":
            with logs.bound(request=id):
                await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "other"
        with logs.bound(request=id), self._telemetry.request(method) as status:

            async def answer(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status[0] = message["status"]
                    MutableHeaders(scope=message)["X-Request-ID"] = id
                await send(message)

            await self._app(scope, receive, answer)
