"""Forwards WebSockets to the server that has their lobby."""

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
    """Copies frames in both directions until the socket closes or moves to another server."""

    def __init__(
        self, nodes: Nodes, router: LobbyRouter, *, clock: Clock, limits: Limits, drain: Drain
    ) -> None:
        self._nodes, self._router = nodes, router
        self._clock, self._limits, self._drain = clock, limits, drain
        self._channels: set[Channel] = set()

    def broadcast(self, message: Message) -> None:
        """Send a message to every client whose socket is forwarded."""
        for channel in list(self._channels):
            channel.deliver("text", write(message).text)

    async def forward(
        self, socket: WebSocket, client: ClientSession, to: str, arrival: Arrival
    ) -> Onward | None:
        """Let server `to` serve a socket until it closes (None) or moves on."""
        channel = self._nodes.channel(to)
        try:
            if not await self._accepted(socket, client, channel, arrival):
                channel.abort()
                await _close(socket, CloseCode.TRY_AGAIN, "try again later")
                return None
            self._channels.add(channel)
            if self._drain.active:
                self.broadcast(self._drain.going_away())
            return await self._copy(socket, client, channel, to)
        finally:
            self._channels.discard(channel)
            channel.abandon()

    async def _accepted(
        self, socket: WebSocket, client: ClientSession, channel: Channel, arrival: Arrival
    ) -> bool:
        opening = describe(socket.scope) | {
            "session": client.session.handle,
            "said": arrival.established,
            "seq": max(arrival.seq, client.session.seq) if arrival.established else 0,
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
        up = loop.create_task(self._up(socket, client, channel, to), name="forward frames from a client")
        down = loop.create_task(self._down(socket, channel), name="forward frames to a client")
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if not up.done():
                down.result()
                return None
            ended = up.result()
            if ended is None:
                await down  # it closes the socket
            if not isinstance(ended, Onward):
                return None
            seq = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ATTACH_SECONDS):
                    seq = await down
            if seq is None:  # the other server did not release it, so its last `seq` is unknown
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
        """Copy until the client closes the socket (its code), moves on, or the channel is lost (None)."""
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
            logger.info("A client has to reconnect: %s", error)
            channel.abort()
        except ChannelLost:
            pass
        return None

    async def _down(self, socket: WebSocket, channel: Channel) -> int | None:
        """Copy until the other server closes the socket (None) or releases it (its last `seq`).

        A failed write is ignored here, because the reading task notices the closed socket.
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
                logger.debug("The client of a forwarded socket is too slow.")
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
