"""Sockets of browsers that came to this server and are served by another one, which has their lobby."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from starlette.websockets import WebSocket, WebSocketDisconnect

from voicebot.clock import Clock
from voicebot.errors import StoreError
from voicebot.server.cluster.channels import Channel, ChannelLost
from voicebot.server.cluster.forwarded import ONWARD, Arrival, Onward, describe
from voicebot.server.cluster.nodes import Nodes
from voicebot.server.cluster.router import ATTACH_SECONDS, LobbyRouter
from voicebot.server.net.close_codes import CloseCode
from voicebot.server.net.drain import Drain
from voicebot.server.net.limits import Limits
from voicebot.server.net.transports import abort
from voicebot.server.sessions.client_session import ClientSession
from voicebot.signaling.messages import Message
from voicebot.signaling.written import write

logger = logging.getLogger(__name__)


class SocketProxy:
    """Carries frames both ways, until the socket closes or goes on elsewhere."""

    def __init__(
        self, nodes: Nodes, router: LobbyRouter, *, clock: Clock, limits: Limits, drain: Drain
    ) -> None:
        self._nodes, self._router = nodes, router
        self._clock, self._limits, self._drain = clock, limits, drain
        self._carried: set[Channel] = set()

    def tell(self, message: Message) -> None:
        """Tell every browser whose socket is carried."""
        for channel in list(self._carried):
            channel.deliver("text", write(message).text)

    async def carry(
        self, socket: WebSocket, client: ClientSession, to: str, arrival: Arrival
    ) -> Onward | None:
        """Let the server of that name serve a socket, until it closes (None) or goes on elsewhere."""
        channel = self._nodes.channel(to)
        try:
            if not await self._taken(socket, client, channel, arrival):
                channel.abort()
                await _close(socket, CloseCode.TRY_AGAIN, "try again later")
                return None
            self._carried.add(channel)
            if self._drain.active:
                self.tell(self._drain.farewell())
            return await self._copy(socket, client, channel, to)
        finally:
            self._carried.discard(channel)
            channel.abandon()

    async def _taken(
        self, socket: WebSocket, client: ClientSession, channel: Channel, arrival: Arrival
    ) -> bool:
        opening = describe(socket.scope) | {
            "session": client.session.handle,
            "said": arrival.said,
            "seq": max(arrival.seq, client.session.seq) if arrival.said else 0,
            "frame": arrival.frame,
        }
        try:
            async with asyncio.timeout(ATTACH_SECONDS):
                await channel.send("open", opening)
                return (await channel.receive())[0] == "taken"
        except (ChannelLost, TimeoutError):
            return False

    async def _copy(
        self, socket: WebSocket, client: ClientSession, channel: Channel, to: str
    ) -> Onward | None:
        loop = asyncio.get_running_loop()
        up = loop.create_task(self._up(socket, client, channel, to), name="carry frames of a browser")
        down = loop.create_task(self._down(socket, channel), name="carry frames to a browser")
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
                channel.abort()
                await _close(socket, CloseCode.SERVICE_RESTART, "try again")
                return None
            ended.arrival.seq = seq
            client.session.advance(seq)
            return ended
        finally:
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _up(
        self, socket: WebSocket, client: ClientSession, channel: Channel, to: str
    ) -> Onward | int | None:
        """Until the browser has closed the socket (its code), goes on elsewhere, or the line is lost."""
        bucket = client.rate(self._limits)
        try:
            while True:
                event = await socket.receive()
                if event["type"] == "websocket.disconnect":
                    code = int(event.get("code") or CloseCode.ABNORMAL)
                    await channel.send("gone", code)
                    return code
                wait = bucket.take(self._clock())
                if wait > 0:
                    await asyncio.sleep(wait)
                text = event.get("text")
                if text is None:
                    await channel.send("binary")
                    continue
                onward = await self._router.onward(client, text, to)
                if onward is not None:
                    await channel.send("gone", ONWARD)
                    return onward
                await channel.send("text", text)
        except StoreError as error:
            logger.info("A socket has to try again: %s", error)
            channel.abort()
        except ChannelLost:
            pass
        return None

    async def _down(self, socket: WebSocket, channel: Channel) -> int | None:
        """Until the socket is closed from there; or let go: then up to where was numbered there.

        When it cannot be written to, whoever reads from it finds out why, and says so.
        """
        while True:
            kind, data = await channel.receive()
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
                logger.debug("A forwarded socket is too slow (%d).", CloseCode.TOO_SLOW)
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
