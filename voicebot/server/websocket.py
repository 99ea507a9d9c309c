"""The WebSocket endpoint: one reader and one writer per socket."""

from __future__ import annotations

import asyncio
import logging

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voicebot.clock import Clock
from voicebot.errors import SignalingError
from voicebot.server.limits import Limits, TokenBucket
from voicebot.server.outbox import TOO_SLOW, Close, Outbox
from voicebot.server.security import SessionCookie, origin_allowed
from voicebot.server.served_lobby import error_message
from voicebot.server.sessions import UNAUTHENTICATED, Browser, Sessions
from voicebot.server.switchboard import Switchboard
from voicebot.signaling.messages import (
    SessionEstablished,
    SessionEstablishedData,
    SessionExpired,
    SessionInvalid,
)
from voicebot.version import __version__

logger = logging.getLogger(__name__)
REFUSED = 4403
GOING_AWAY = 1001


class SocketEndpoint:
    """Serves `/ws`."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        switchboard: Switchboard,
        cookie: SessionCookie,
        public_url: str,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._sessions, self._switchboard, self._cookie = sessions, switchboard, cookie
        self._public_url, self._clock = public_url, clock
        self._limits = limits

    async def serve(self, socket: WebSocket) -> None:
        """From the handshake to the last word of one socket."""
        if not origin_allowed(socket.headers, socket.scope["scheme"], self._public_url):
            logger.warning(
                "A WebSocket from origin %r was refused: set PUBLIC_URL to the address people open.",
                socket.headers.get("origin", ""),
            )
            await socket.accept()  # a refused handshake would tell the page nothing
            await socket.close(REFUSED, "this origin may not connect")
            return
        browser = await self._sessions.find(self._cookie.read(socket))
        await socket.accept()
        if browser is None:
            await self._refuse(socket, SessionInvalid())
        elif browser.session.expired(self._clock()):
            await self._refuse(socket, SessionExpired())
        else:
            await self._serve(socket, browser)

    async def _refuse(self, socket: WebSocket, message: SessionInvalid | SessionExpired) -> None:
        await socket.send_text(message.model_dump_json(exclude_none=True))
        await socket.close(UNAUTHENTICATED)

    async def _serve(self, socket: WebSocket, browser: Browser) -> None:
        outbox = Outbox(self._limits.queue_messages, self._limits.queue_bytes)
        fence = browser.attach(outbox)
        if browser.seat is not None:
            browser.seat.lobby.lost(browser)  # until it resumes or joins again
        hello = SessionEstablishedData(
            session=browser.session.handle,
            resumed=browser.seat is not None,
            heartbeat_s=self._limits.heartbeat,
            version=__version__,
        )
        browser.send_unstamped(SessionEstablished(data=hello))
        loop = asyncio.get_running_loop()
        left = max(0.0, browser.session.expires - self._clock())
        expiry = loop.call_later(left, browser.expire)
        writer = loop.create_task(self._write(socket, outbox), name=f"writer {browser.session.handle}")
        reader = loop.create_task(self._read(socket, browser, fence), name=f"reader {browser.session.handle}")
        code = 1006
        try:
            await asyncio.wait({writer, reader}, return_when=asyncio.FIRST_COMPLETED)
            if reader.done():
                code = reader.result()
        finally:
            expiry.cancel()
            for task in (writer, reader):
                task.cancel()
            await asyncio.gather(writer, reader, return_exceptions=True)
            if browser.detach(fence) and browser.seat is not None:
                browser.seat.lobby.lost(browser, closed_by_browser=code in {1000, GOING_AWAY})

    async def _read(self, socket: WebSocket, browser: Browser, fence: int) -> int:
        """Hand on frames until the browser closes; returns the close code."""
        bucket = TokenBucket(self._limits.messages_per_second, self._limits.burst, self._clock())
        while True:
            event = await socket.receive()
            if event["type"] == "websocket.disconnect":
                return int(event.get("code") or 1006)
            # nothing is dropped: no further frame is read meanwhile, so the browser has to wait, too
            await asyncio.sleep(bucket.take(self._clock()))
            if not browser.session.holds(fence):
                continue  # a newer socket speaks for this session
            text = event.get("text")
            if text is None:
                error = SignalingError("Binary frames are not understood.", hint="Send JSON as text.")
                browser.send_unstamped(error_message(error, None))
            else:
                self._switchboard.receive(browser, text)

    async def _write(self, socket: WebSocket, outbox: Outbox) -> None:
        """Write what is queued, in order, until the socket closes or is too slow."""
        while True:
            item = await outbox.get()
            try:
                async with asyncio.timeout(self._limits.write_deadline):
                    if isinstance(item, Close):
                        if socket.application_state is WebSocketState.CONNECTED:
                            await socket.close(item.code, item.reason)
                        return
                    await socket.send_text(item)
            except TimeoutError:
                outbox.close(TOO_SLOW, "too slow")
                return
            except (WebSocketDisconnect, RuntimeError):
                return  # closed while it was being written to
