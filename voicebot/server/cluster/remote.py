"""Runs this server's application on the connections that other servers forward."""

from __future__ import annotations

import base64
from typing import Any

from starlette.types import ASGIApp, Message

from voicebot.server.cluster.channels import Channel
from voicebot.server.cluster.forwarded import MAX_BODY, Arrival, Forwarded, scope_of
from voicebot.server.net.close_codes import CloseCode
from voicebot.server.net.transports import ABORT
from voicebot.server.sessions.sessions import Sessions


class _TooLarge(Exception):
    pass


class Remote:
    """Serves forwarded connections with `app`."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app, self._sessions = app, sessions

    async def serve(self, channel: Channel, opening: dict[str, Any]) -> None:
        """Serve one channel from its opening to its end. Raises ChannelLost."""
        match opening["type"]:
            case "http":
                await self._request(channel, opening)
            case "websocket":
                await self._socket(channel, opening)
            case "leave":
                await self._leave(channel, opening["session"])

    async def _leave(self, channel: Channel, handle: str) -> None:
        """Free the seat here, because the session joins a lobby of another server."""
        client = await self._sessions.by_handle(handle)
        if client is not None:
            if client.outbox is not None:
                client.outbox.close(CloseCode.REPLACED, "opened in another tab")
            client.leave_for(None)
            await self._sessions.writer.write(handle)
        await channel.send("end", 0)

    async def _socket(self, channel: Channel, opening: dict[str, Any]) -> None:
        arrival = Arrival(opening["said"], opening["seq"], opening["frame"])
        forwarded = Forwarded(opening["session"], arrival)
        scope = scope_of(opening, forwarded)
        scope["extensions"][ABORT] = channel
        connected = False

        async def receive() -> Message:
            nonlocal connected
            if not connected:
                connected = True
                return {"type": "websocket.connect"}
            kind, data = await channel.receive()
            match kind:
                case "text":
                    return {"type": "websocket.receive", "text": data}
                case "binary":
                    return {"type": "websocket.receive", "bytes": b""}
                case "gone":
                    return {"type": "websocket.disconnect", "code": data}
                case _:
                    return {"type": "websocket.disconnect", "code": CloseCode.ABNORMAL}

        async def send(message: Message) -> None:
            match message["type"]:
                case "websocket.accept":
                    await channel.send("taken")
                case "websocket.send":
                    await channel.send("text", message["text"])
                case "websocket.close":
                    await channel.send("close", [message.get("code", 1000), message.get("reason") or ""])

        await self._app(scope, receive, send)
        if forwarded.seq is not None:
            await channel.send("end", forwarded.seq)

    async def _request(self, channel: Channel, opening: dict[str, Any]) -> None:
        body = base64.b64decode(opening["body"])
        scope = scope_of(opening, Forwarded(opening["session"], Arrival()))
        asked = large = False
        status, headers, answer = 500, [], bytearray()

        async def receive() -> Message:
            nonlocal asked
            if asked:
                while (await channel.receive())[0] not in {"lost", "gone"}:
                    pass
                return {"type": "http.disconnect"}
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], message["headers"]
            elif message["type"] == "http.response.body":
                answer.extend(message.get("body", b""))
                if len(answer) > MAX_BODY:
                    raise _TooLarge

        try:
            await self._app(scope, receive, send)
        except* _TooLarge:
            large = True
        if large:
            await channel.send("large")
            return
        text = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        content = base64.b64encode(bytes(answer)).decode()
        await channel.send("answer", {"status": status, "headers": text, "body": content})
