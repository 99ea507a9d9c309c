"""uvicorn's HTTP and WebSocket protocols, with time limits that end half-open, dead and stuck connections."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

ABORT = "voicebot.abort"
CLOSE_SECONDS = 2.0
"""How long the client may take to answer a close frame, or to read what was sent before it."""


def abort(scope: MutableMapping[str, Any]) -> None:
    """Drop the WebSocket of this scope, or the channel that forwards it, and everything queued for it."""
    transport = scope.get("extensions", {}).get(ABORT)
    if transport is not None:
        transport.abort()


def http_protocol(timeout: float) -> type[H11Protocol]:
    """uvicorn's HTTP protocol; each request must be complete within `timeout` seconds."""
    return cast(type[H11Protocol], type("TimedHTTP", (TimedHTTP,), {"request_timeout": timeout}))


class TimedHTTP(H11Protocol):
    """Closes a connection if a request, headers and body, takes too long to arrive.

    uvicorn waits for ever, so slow or silent connections would use up the file descriptors.
    """

    request_timeout = 10.0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timer = self.loop.call_later(self.request_timeout, self._timed_out)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY} or self.transport.is_closing():
            self._stop_timer()
        elif self._timer is None and self.transport.get_protocol() is self:
            self._timer = self.loop.call_later(self.request_timeout, self._timed_out)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop_timer()
        super().handle_websocket_upgrade(event)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timed_out(self) -> None:
        self._timer = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol; it aborts the connection if a ping or a close gets no answer.

    Closing a transport first flushes it, which never happens if the client is gone.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # no buffer of our own: a write then waits for the kernel, and so counts against the deadline
        self.transport.set_write_buffer_limits(high=0)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:  # before the task that serves it begins
            cast(dict[str, Any], self.scope["extensions"])[ABORT] = self.transport

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send" and self.transport.is_closing():
            raise ClientDisconnected  # asyncio would warn about every further write
        await super().send(message)
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(CLOSE_SECONDS, self._abort)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort()

    def _abort(self) -> None:
        self.transport.abort()
