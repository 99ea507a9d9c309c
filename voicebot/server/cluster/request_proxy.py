"""Forwards HTTP requests about a lobby to the server that has it."""

from __future__ import annotations

import asyncio
import base64
import re

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from voicebot.errors import SignalingError, StoreError, VoicebotError
from voicebot.server.cluster.channels import ChannelLost
from voicebot.server.cluster.cluster import Cluster
from voicebot.server.cluster.forwarded import MAX_BODY, describe, forwarded
from voicebot.server.net.security import SessionCookie
from voicebot.server.net.wire_errors import error_body
from voicebot.server.sessions.client_session import ClientSession
from voicebot.server.sessions.sessions import Sessions

REQUEST_SECONDS = 30.0
"""How long the other server may take to answer; it may have to load a model first."""
_LOBBY = re.compile(r"/api/lobbies/([A-Za-z0-9_-]{1,48})(?:/.*)?")


class RequestProxy:
    """Lets the server of the lobby answer, or `app` if this server has the lobby or no server does.

    It is the innermost middleware, so that hosts and origins are checked before. It forwards each request
    once, because a request without an answer may have been carried out.
    """

    def __init__(self, app: ASGIApp, cluster: Cluster, sessions: Sessions, cookie: SessionCookie) -> None:
        self._app, self._nodes, self._router = app, cluster.nodes, cluster.router
        self._sessions, self._cookie = sessions, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "http" and forwarded(scope) is None
        found = _LOBBY.fullmatch(scope["path"]) if is_ours else None
        answer: Response | None = None
        if found is not None:
            try:
                answer = await self._elsewhere(HTTPConnection(scope), found[1], receive)
            except (ChannelLost, TimeoutError):
                answer = _later(
                    SignalingError(
                        "The server of this lobby does not answer.",
                        hint="Try again in a moment.",
                        code="store",
                        retryable=True,
                    )
                )
            except StoreError as error:
                answer = _later(error)
        await (answer or self._app)(scope, receive, send)

    async def _elsewhere(
        self, connection: HTTPConnection, lobby_id: str, receive: Receive
    ) -> Response | None:
        """Return the other server's answer, or None if this server has to answer."""
        name = client = None
        if not self._router.is_local(lobby_id):
            client = await self._sessions.valid(self._cookie.read(connection))
        if client is not None:
            name = await self._router.server_of(lobby_id)
        if client is None or name is None:
            return None
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if len(body) > MAX_BODY:
                return _problem(
                    413,
                    VoicebotError(
                        "This request is larger than 1 MiB.", hint="Send less data.", code="bad_message"
                    ),
                )
            if not event.get("more_body", False):
                break
        return await self._ask(connection, client, name, body)

    async def _ask(
        self, connection: HTTPConnection, client: ClientSession, name: str, body: bytes
    ) -> Response:
        channel = self._nodes.channel(name)
        opening = {"session": client.session.handle, "body": base64.b64encode(body).decode()}
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await channel.send("open", describe(connection.scope) | opening)
                kind, data = await channel.receive()
        finally:
            channel.abandon()
        if kind == "large":
            return _problem(
                421,
                VoicebotError(
                    "This is too large to forward from the server that has the lobby.",
                    hint="Ask an operator to fetch it from the data folder of that server.",
                    code="too_large",
                ),
            )
        if kind != "answer":
            raise ChannelLost("There is no answer.")
        response = Response(base64.b64decode(data["body"]), status_code=data["status"])
        response.raw_headers = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in data["headers"]]
        return response


def _later(error: VoicebotError) -> Response:
    return _problem(503, error, {"Retry-After": "2"})


def _problem(status: int, error: VoicebotError, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(error_body(error), status_code=status, headers=headers)
