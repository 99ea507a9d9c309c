"""The WebSocket endpoint: one reader and one writer per socket."""

from __future__ import annotations

import asyncio
import logging

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voicebot import logs
from voicebot.errors import SignalingError, StoreError
from voicebot.server.cluster.forwarded import ONWARD, Arrival, Forwarded, Onward, forwarded
from voicebot.server.endpoints.dispatcher import Dispatcher
from voicebot.server.endpoints.services import Services
from voicebot.server.net.close_codes import CloseCode
from voicebot.server.net.networks import address_of
from voicebot.server.net.rate_limits import Crowd
from voicebot.server.net.transports import abort
from voicebot.server.net.wire_errors import error_message
from voicebot.server.sessions.client_session import ClientSession, Seat
from voicebot.server.sessions.outbox import Close, Outbox
from voicebot.server.version import __version__
from voicebot.signaling.messages import (
    SessionEstablished,
    SessionEstablishedData,
    SessionExpired,
    SessionInvalid,
)
from voicebot.signaling.written import write

logger = logging.getLogger(__name__)
FRAMES_PER_TURN = 8
"""Frames to handle before other tasks run. Otherwise the answers to a burst would fill the queues of sockets
that are not slow, because their writers get no turn."""


class SocketEndpoint:
    """Serves `/ws`."""

    def __init__(self, services: Services) -> None:
        self._services, self._dispatcher = services, Dispatcher(services)
        self._sessions, self._clock, self._limits = services.sessions, services.clock, services.limits
        self._metrics = services.telemetry.metrics
        self._crowd = Crowd(self._limits.sockets_per_address)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one socket from its handshake to its end."""
        by = forwarded(socket.scope)
        if by is not None:  # the forwarding server has checked the origin and counted the socket
            await self._identify(socket, by)
            return
        if not self._services.addresses.origin_allowed(socket.headers, socket.scope["scheme"]):
            logger.warning(
                "Refused a WebSocket from origin %r. If people may use this address, set PUBLIC_URL to it.",
                socket.headers.get("origin", ""),
            )
            await self._refuse(socket, CloseCode.WRONG_ORIGIN, "this origin may not connect", "origin")
            return
        address = address_of(socket)
        if not self._crowd.enter(address):
            logger.warning("Refused a WebSocket: too many from one address or network.")
            await self._refuse(socket, CloseCode.TOO_MANY, "too many sockets from this address", "too_many")
            return
        try:
            await self._identify(socket)
        finally:
            self._crowd.leave(address)

    async def _identify(self, socket: WebSocket, by: Forwarded | None = None) -> None:
        try:
            if by is not None:
                client = await self._sessions.by_handle(by.session)
            else:
                client = await self._sessions.find(self._services.cookie.read(socket))
        except StoreError as error:
            logger.warning("Looking up a session failed: %s %s", error, error.hint)
            await self._refuse(socket, CloseCode.TRY_AGAIN, "try again later", "store")
            return
        await socket.accept()
        if client is None or client.session.expired(self._clock()):
            message = SessionInvalid() if client is None else SessionExpired()
            await socket.send_text(write(message).text)
            await self._refuse(socket, CloseCode.UNAUTHENTICATED, "", message.type)
        elif client.sockets >= self._limits.sockets_per_session:
            await self._refuse(socket, CloseCode.TOO_MANY, "too many sockets of this session", "too_many")
        else:
            client.sockets += 1
            logs.bind(session=client.session.handle)
            try:
                with self._services.telemetry.socket(reconnects=client.seat is not None):
                    if by is not None:
                        onward = await self._serve(socket, client, by.arrival)
                        by.seq = client.session.seq if onward is not None else None
                    else:
                        await self._route(socket, client)
            finally:
                client.sockets -= 1

    async def _refuse(self, socket: WebSocket, code: CloseCode, reason: str, counted_as: str) -> None:
        if socket.application_state is WebSocketState.CONNECTING:
            await socket.accept()  # a page cannot see why a handshake failed
        await socket.close(code, reason)
        self._metrics.sockets_refused.labels(counted_as).inc()

    async def _route(self, socket: WebSocket, client: ClientSession) -> None:
        """Serve the socket here or at the server of its lobby, wherever it moves, until it closes."""
        at, arrival, cluster = None, Arrival(), self._services.cluster
        if cluster is not None:
            try:
                at = await cluster.router.server_for(client)
            except StoreError as error:
                logger.info("A client has to reconnect: %s", error)
                await self._refuse(socket, CloseCode.TRY_AGAIN, "try again later", "store")
                return
        while True:
            if at is None or cluster is None:
                onward = await self._serve(socket, client, arrival)
            else:
                onward = await cluster.socket_proxy.forward(socket, client, at, arrival)
            if onward is None:
                return
            at, arrival = onward.to, onward.arrival

    async def _serve(self, socket: WebSocket, client: ClientSession, arrival: Arrival) -> Onward | None:
        """Serve the socket here until it closes (None) or moves on."""
        limits, drain = self._limits, self._services.drain
        outbox = Outbox(limits.queue_messages, limits.queue_bytes, on_put=self._services.telemetry.sent)
        fence = client.attach(outbox)
        client.address = address_of(socket)
        seat = client.seat
        client.lost()  # until the client resumes or joins again
        client.session.advance(arrival.seq)
        hello = SessionEstablishedData(
            session=client.session.handle,
            resumed=seat is not None,
            lobby=seat.place.lobby.id if seat is not None else None,
            participant_id=seat.participant_id if seat is not None else None,
            heartbeat_s=limits.heartbeat,
            version=__version__,
        )
        if not arrival.established:
            client.send_unstamped(SessionEstablished(data=hello))
        if drain.active:
            client.send_unstamped(drain.going_away())
        loop = asyncio.get_running_loop()
        left = max(0.0, client.session.expires - self._clock())
        expiry = loop.call_later(left, client.expire)
        writer = loop.create_task(self._write(socket, outbox), name=f"writer {client.session.handle}")
        if arrival.frame:
            self._dispatcher.receive(client, arrival.frame)
        ended: int | Onward = CloseCode.ABNORMAL
        try:
            ended = await self._read(socket, client, fence)
            if isinstance(ended, Onward):
                client.leave_for(None)
                outbox.close(ONWARD)
                await asyncio.wait({writer}, timeout=limits.write_deadline)
        finally:
            expiry.cancel()
            writer.cancel()
            if client.detach(fence):
                client.lost(closed_by_client=ended in (1000, CloseCode.GOING_AWAY))
            await asyncio.gather(writer, return_exceptions=True)
        if not isinstance(ended, Onward):
            return None
        # free the seat before the client takes one there
        await self._sessions.writer.write(client.session.handle)
        ended.arrival.seq = client.session.seq
        return ended

    async def _read(self, socket: WebSocket, client: ClientSession, fence: int) -> int | Onward:
        """Handle frames until the socket closes (its close code) or moves on."""
        limits = self._limits
        bucket, handled = client.rate(limits), 0
        seat: Seat | None = None
        cluster = self._services.cluster if forwarded(socket.scope) is None else None
        while True:
            if client.seat is not seat:
                seat = client.seat
                if seat is None:
                    logs.unbind("lobby", "participant")
                else:
                    logs.bind(lobby=seat.place.lobby.id, participant=seat.participant_id)
            event = await socket.receive()
            handled += 1
            if handled % FRAMES_PER_TURN == 0:
                await asyncio.sleep(0)
            if event["type"] == "websocket.disconnect":
                code = int(event.get("code") or CloseCode.ABNORMAL)
                return Onward(None, Arrival()) if code == ONWARD and client.session.holds(fence) else code
            if not client.session.holds(fence):
                continue  # a newer socket has taken over
            wait = bucket.take(self._clock())
            if wait > 0:
                self._metrics.waits.inc()
                self._metrics.waited.inc(wait)
                # drop nothing: no frame is read meanwhile, so the client has to wait, too
                await asyncio.sleep(wait)
                if not client.session.holds(fence):
                    continue
                if bucket.flooded_for(self._clock()) > limits.flood and client.outbox is not None:
                    logger.warning(
                        "Closed a socket of session %s, which sends too much.", client.session.handle
                    )
                    client.outbox.close(CloseCode.TOO_MANY, "too many messages")
            text = event.get("text")
            if text is None:
                error = SignalingError("The server does not accept binary frames.", hint="Send JSON as text.")
                client.send_unstamped(error_message(error, None))
                continue
            if cluster is not None:
                try:
                    onward = await cluster.router.onward(client, text, None)
                except StoreError as error:
                    logger.info("A client has to reconnect: %s", error)
                    if client.outbox is not None and client.session.holds(fence):
                        client.outbox.close(CloseCode.TRY_AGAIN, "try again later")
                    continue
                if not client.session.holds(fence):
                    continue
                if onward is not None:
                    return onward
            self._dispatcher.receive(client, text)

    async def _write(self, socket: WebSocket, outbox: Outbox) -> None:
        """Write queued messages until the socket closes or is too slow.

        It always ends with the socket closed, which ends `_read`.
        """
        try:
            while True:
                item = await outbox.get()
                async with asyncio.timeout(self._limits.write_deadline):
                    if isinstance(item, Close):
                        if item.code == ONWARD:
                            return
                        if socket.application_state is WebSocketState.CONNECTED:
                            await socket.close(item.code, item.reason)
                            self._metrics.closes.labels(str(item.code)).inc()
                        return
                    await socket.send_text(item)
        except TimeoutError:
            # a close frame would not get through either
            outbox.close(CloseCode.TOO_SLOW, "too slow")
            self._metrics.closes.labels(str(CloseCode.TOO_SLOW)).inc()
            abort(socket.scope)
        except (WebSocketDisconnect, RuntimeError):
            pass  # closed during the write
        except Exception:
            logger.exception("Writing to a socket failed")
            abort(socket.scope)
