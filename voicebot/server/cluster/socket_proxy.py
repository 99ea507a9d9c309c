"""Sockets of browsers that came to this server and are served by another one, which has their lobby."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from starlette.websockets import WebSocket, WebSocketDisconnect

from voicebot.clock import Clock
from voicebot.errors import StoreError
from voicebot.server.cluster.channels import ABNORMAL, SERVICE_RESTART, TRY_AGAIN, Line, LineLost
from voicebot.server.cluster.forwarded import ONWARD, Arrival, Onward, describe
from voicebot.server.cluster.nodes import Nodes
from voicebot.server.cluster.router import ATTACH_SECONDS, Whereabouts
from voicebot.server.net.drain import Drain
from voicebot.server.net.limits import Limits
from voicebot.server.net.transports import abort
from voicebot.server.sessions.outbox import TOO_SLOW
from voicebot.server.sessions.sessions import Browser
from voicebot.signaling.messages import Message
from voicebot.signaling.written import write

logger = logging.getLogger(__name__)


class Carrier:
    """Carries frames both ways, until the socket closes or goes on elsewhere."""

    def __init__(
        self, nodes: Nodes, whereabouts: Whereabouts, *, clock: Clock, limits: Limits, drain: Drain
    ) -> None:
        self._nodes, self._whereabouts = nodes, whereabouts
        self._clock, self._limits, self._drain = clock, limits, drain
        self._carried: set[Line] = set()

    def tell(self, message: Message) -> None:
        """Tell every browser whose socket is carried."""
        for line in list(self._carried):
            line.heard("text", write(message).text)

    async def carry(self, socket: WebSocket, browser: Browser, to: str, arrival: Arrival) -> Onward | None:
        """Let the server of that name serve a socket, until it closes (None) or goes on elsewhere."""
        line = self._nodes.line(to)
        try:
            if not await self._taken(socket, browser, line, arrival):
                line.abort()
                await _close(socket, TRY_AGAIN, "try again later")
                return None
            self._carried.add(line)
            if self._drain.active:
                self.tell(self._drain.farewell())
            return await self._copy(socket, browser, line, to)
        finally:
            self._carried.discard(line)
            line.hang_up()

    async def _taken(self, socket: WebSocket, browser: Browser, line: Line, arrival: Arrival) -> bool:
        opening = describe(socket.scope) | {
            "session": browser.session.handle,
            "said": arrival.said,
            "seq": max(arrival.seq, browser.session.seq) if arrival.said else 0,
            "frame": arrival.frame,
        }
        try:
            async with asyncio.timeout(ATTACH_SECONDS):
                await line.say("open", opening)
                return (await line.hear())[0] == "taken"
        except (LineLost, TimeoutError):
            return False

    async def _copy(self, socket: WebSocket, browser: Browser, line: Line, to: str) -> Onward | None:
        loop = asyncio.get_running_loop()
        up = loop.create_task(self._up(socket, browser, line, to), name="carry frames of a browser")
        down = loop.create_task(self._down(socket, line), name="carry frames to a browser")
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if not up.done():
                down.result()
                return None
            ended = up.result()
            if ended is None:
                await down  # which says so to the browser
            if not isinstance(ended, Onward):
                return None
            seq = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ATTACH_SECONDS):
                    seq = await down
            if seq is None:  # it has not let go: nobody knows what was numbered
                line.abort()
                await _close(socket, SERVICE_RESTART, "try again")
                return None
            ended.arrival.seq = seq
            browser.session.advance(seq)
            return ended
        finally:
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _up(self, socket: WebSocket, browser: Browser, line: Line, to: str) -> Onward | int | None:
        """Until the browser has closed the socket (its code), goes on elsewhere, or the line is lost."""
        bucket = browser.rate(self._limits)
        try:
            while True:
                event = await socket.receive()
                if event["type"] == "websocket.disconnect":
                    code = int(event.get("code") or ABNORMAL)
                    await line.say("gone", code)
                    return code
                wait = bucket.take(self._clock())
                if wait > 0:
                    await asyncio.sleep(wait)
                text = event.get("text")
                if text is None:
                    await line.say("binary")
                    continue
                onward = await self._whereabouts.onward(browser, text, to)
                if onward is not None:
                    await line.say("gone", ONWARD)
                    return onward
                await line.say("text", text)
        except StoreError as error:
            logger.info("A socket has to try again: %s", error)
            line.abort()
        except LineLost:
            pass
        return None

    async def _down(self, socket: WebSocket, line: Line) -> int | None:
        """Until the socket is closed from there; or let go: then up to where was numbered there.

        When it cannot be written to, whoever reads from it finds out why, and says so.
        """
        while True:
            kind, data = await line.hear()
            try:
                async with asyncio.timeout(self._limits.write_deadline):
                    match kind:
                        case "text":
                            await socket.send_text(data)
                        case "close":
                            await socket.close(*data)
                        case "lost":
                            await socket.close(data, "try again")
            except TimeoutError:
                logger.debug("A forwarded socket is too slow (%d).", TOO_SLOW)
                abort(socket.scope)
            except (WebSocketDisconnect, RuntimeError):
                pass
            if kind == "end":
                return int(data)
            if kind in {"close", "lost"}:
                return None


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await socket.close(code, reason)
