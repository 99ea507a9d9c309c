"""uvicorn's two protocols, such that no connection outlives its use: half-open, dead or full ones end."""

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
"""How long the other end may take to answer a close, or to take what was written before it."""


def abort(scope: MutableMapping[str, Any]) -> None:
    """Drop the WebSocket of this scope with all that waits to be written to it, or the line over which
    another server forwards it."""
    transport = scope.get("extensions", {}).get(ABORT)
    if transport is not None:
        transport.abort()


def http_protocol(patience: float) -> type[H11Protocol]:
    """uvicorn's HTTP, with `patience` seconds for each request to arrive whole."""
    return cast(type[H11Protocol], type("TimedHTTP", (TimedHTTP,), {"patience": patience}))


class TimedHTTP(H11Protocol):
    """Closes a connection whose request, headers and body, takes too long to arrive.

    uvicorn itself waits for ever, so that connections which send nothing, or a byte now and
    then, would use up the file descriptors.
    """

    patience = 10.0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._late = self.loop.call_later(self.patience, self._too_late)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY} or self.transport.is_closing():
            self._in_time()
        elif self._late is None and self.transport.get_protocol() is self:
            self._late = self.loop.call_later(self.patience, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._in_time()
        super().handle_websocket_upgrade(event)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        self._late = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which ends for certain.

    Closing a transport waits until all is written, which never happens when the other end is
    gone: after a ping without an answer, or a close that nobody takes, this one is aborted.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # what the kernel does not take counts as not written: memory stays small, and the deadline true
        self.transport.set_write_buffer_limits(high=0)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:  # the task that serves it has not begun yet
            cast(dict[str, Any], self.scope["extensions"])[ABORT] = self.transport

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send" and self.transport.is_closing():
            raise ClientDisconnected  # asyncio would warn of each message that is written all the same
        await super().send(message)
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(CLOSE_SECONDS, self._abort)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort()

    def _abort(self) -> None:
        self.transport.abort()
