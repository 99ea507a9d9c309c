"""The WebSocket endpoint: one reader and one writer per socket."""

from __future__ import annotations

import asyncio
import logging

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voicebot import logs
from voicebot.clock import Clock
from voicebot.errors import SignalingError, StoreError
from voicebot.server.cluster.channels import ABNORMAL, TRY_AGAIN
from voicebot.server.cluster.cluster import Cluster
from voicebot.server.cluster.forwarded import ONWARD, Arrival, Forwarded, Onward, forwarded
from voicebot.server.endpoints.dispatcher import Switchboard
from voicebot.server.net.addresses import Addresses
from voicebot.server.net.drain import Drain
from voicebot.server.net.limits import Limits
from voicebot.server.net.networks import address_of
from voicebot.server.net.rate_limits import Crowd
from voicebot.server.net.security import SessionCookie
from voicebot.server.net.transports import abort
from voicebot.server.net.wire_errors import error_message
from voicebot.server.sessions.outbox import TOO_SLOW, Close, Outbox
from voicebot.server.sessions.sessions import UNAUTHENTICATED, Browser, Seat, Sessions
from voicebot.server.telemetry.telemetry import Telemetry
from voicebot.signaling.messages import (
    SessionEstablished,
    SessionEstablishedData,
    SessionExpired,
    SessionInvalid,
)
from voicebot.signaling.written import write
from voicebot.version import __version__

logger = logging.getLogger(__name__)
REFUSED = 4403
TOO_MANY = 4429
GOING_AWAY = 1001
IN_ONE_GO = 8
"""Frames that have arrived together and are carried out before others, writers above all, have a turn:
else the answers to a burst would fill the queues of sockets that are not slow at all."""


class SocketEndpoint:
    """Serves `/ws`."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        switchboard: Switchboard,
        cookie: SessionCookie,
        addresses: Addresses,
        clock: Clock,
        limits: Limits,
        telemetry: Telemetry,
        drain: Drain,
        cluster: Cluster | None = None,
    ) -> None:
        self._sessions, self._switchboard, self._cookie = sessions, switchboard, cookie
        self._addresses, self._clock = addresses, clock
        self._limits, self._telemetry, self._drain = limits, telemetry, drain
        self._cluster = cluster
        self._crowd = Crowd(limits.sockets_per_address)

    async def serve(self, socket: WebSocket) -> None:
        """From the handshake to the last word of one socket."""
        by = forwarded(socket.scope)
        if by is not None:  # who forwards it has checked the origin, and counts
            await self._identify(socket, by)
            return
        if not self._addresses.origin_allowed(socket.headers, socket.scope["scheme"]):
            logger.warning(
                "A WebSocket from origin %r was refused: set PUBLIC_URL to the address people open.",
                socket.headers.get("origin", ""),
            )
            await socket.accept()  # a refused handshake would tell the page nothing
            await socket.close(REFUSED, "this origin may not connect")
            self._telemetry.refused("origin")
            return
        address = address_of(socket)
        if not self._crowd.enter(address):
            logger.warning("Too many WebSockets from one address or network: one more was refused.")
            await socket.accept()
            await socket.close(TOO_MANY, "too many sockets from this address")
            self._telemetry.refused("too_many")
            return
        try:
            await self._identify(socket)
        finally:
            self._crowd.leave(address)

    async def _identify(self, socket: WebSocket, by: Forwarded | None = None) -> None:
        try:
            if by is not None:
                browser = await self._sessions.named(by.session)
            else:
                browser = await self._sessions.find(self._cookie.read(socket))
        except StoreError as error:
            logger.warning("A session could not be looked up: %s %s", error, error.hint)
            await socket.accept()
            await socket.close(TRY_AGAIN, "try again later")
            self._telemetry.refused("store")
            return
        await socket.accept()
        if browser is None:
            await self._refuse(socket, SessionInvalid())
        elif browser.session.expired(self._clock()):
            await self._refuse(socket, SessionExpired())
        elif browser.sockets >= self._limits.sockets_per_session:
            await socket.close(TOO_MANY, "too many sockets of this session")
            self._telemetry.refused("too_many")
        else:
            browser.sockets += 1
            logs.bind(session=browser.session.handle)
            try:
                with self._telemetry.socket(reconnects=browser.seat is not None):
                    if by is not None:
                        onward = await self._serve(socket, browser, by.arrival)
                        by.seq = browser.session.seq if onward is not None else None
                    else:
                        await self._place(socket, browser)
            finally:
                browser.sockets -= 1

    async def _refuse(self, socket: WebSocket, message: SessionInvalid | SessionExpired) -> None:
        await socket.send_text(write(message).text)
        await socket.close(UNAUTHENTICATED)
        self._telemetry.refused(message.type)

    async def _place(self, socket: WebSocket, browser: Browser) -> None:
        """Serve it here, or have it served by the other server that has its lobby; and by the next one."""
        at, arrival = None, Arrival()
        if self._cluster is not None:
            try:
                at = await self._cluster.whereabouts.of_socket(browser)
            except StoreError as error:
                logger.info("A socket has to try again: %s", error)
                await socket.close(TRY_AGAIN, "try again later")
                self._telemetry.refused("store")
                return
        while True:
            if at is None or self._cluster is None:
                onward = await self._serve(socket, browser, arrival)
            else:
                onward = await self._cluster.carrier.carry(socket, browser, at, arrival)
            if onward is None:
                return
            at, arrival = onward.to, onward.arrival

    async def _serve(self, socket: WebSocket, browser: Browser, arrival: Arrival) -> Onward | None:
        """Until the socket is closed (None), or goes on at another server."""
        limits, telemetry = self._limits, self._telemetry
        outbox = Outbox(limits.queue_messages, limits.queue_bytes, on_put=telemetry.sent)
        fence = browser.attach(outbox)
        browser.address = address_of(socket)
        seat = browser.seat
        browser.lost()  # until it resumes or joins again
        browser.session.advance(arrival.seq)
        hello = SessionEstablishedData(
            session=browser.session.handle,
            resumed=seat is not None,
            lobby=seat.lobby.lobby.id if seat is not None else None,
            participant_id=seat.participant_id if seat is not None else None,
            heartbeat_s=self._limits.heartbeat,
            version=__version__,
        )
        if not arrival.said:
            browser.send_unstamped(SessionEstablished(data=hello))
        if self._drain.active:
            browser.send_unstamped(self._drain.farewell())
        loop = asyncio.get_running_loop()
        left = max(0.0, browser.session.expires - self._clock())
        expiry = loop.call_later(left, browser.expire)
        writer = loop.create_task(self._write(socket, outbox), name=f"writer {browser.session.handle}")
        if arrival.frame:
            self._switchboard.receive(browser, arrival.frame)
        ended: int | Onward = ABNORMAL
        try:
            ended = await self._read(socket, browser, fence)
            if isinstance(ended, Onward):
                browser.leave_for(None)
                outbox.close(ONWARD)
                await asyncio.wait({writer}, timeout=limits.write_deadline)
        finally:
            expiry.cancel()
            writer.cancel()
            if browser.detach(fence):
                browser.lost(closed_by_browser=ended in (1000, GOING_AWAY))
            await asyncio.gather(writer, return_exceptions=True)
        if not isinstance(ended, Onward):
            return None
        await self._sessions.write(browser)  # the seat is free before another one is taken there
        ended.arrival.seq = browser.session.seq
        return ended

    async def _read(self, socket: WebSocket, browser: Browser, fence: int) -> int | Onward:
        """Hand on frames until the socket is closed, by whoever it is: returns the close code; or until it
        goes on at another server."""
        limits = self._limits
        bucket, handled = browser.rate(limits), 0
        seat: Seat | None = None
        carried = forwarded(socket.scope) is not None
        elsewhere = self._cluster.whereabouts if self._cluster is not None and not carried else None
        while True:
            if browser.seat is not seat:
                seat = browser.seat
                if seat is None:
                    logs.unbind("lobby", "participant")
                else:
                    logs.bind(lobby=seat.lobby.lobby.id, participant=seat.participant_id)
            event = await socket.receive()
            handled += 1
            if handled % IN_ONE_GO == 0:
                await asyncio.sleep(0)
            if event["type"] == "websocket.disconnect":
                code = int(event.get("code") or ABNORMAL)
                return Onward(None, Arrival()) if code == ONWARD and browser.session.holds(fence) else code
            if not browser.session.holds(fence):
                continue  # a newer socket speaks for this session
            wait = bucket.take(self._clock())
            if wait > 0:
                self._telemetry.waited(wait)
                # nothing is dropped: no further frame is read meanwhile, so the browser has to wait, too
                await asyncio.sleep(wait)
                if not browser.session.holds(fence):
                    continue
                if bucket.flooded_for(self._clock()) > limits.flood and browser.outbox is not None:
                    logger.warning("Session %s sends too much: closed.", browser.session.handle)
                    browser.outbox.close(TOO_MANY, "too many messages")
            text = event.get("text")
            if text is None:
                error = SignalingError("Binary frames are not understood.", hint="Send JSON as text.")
                browser.send_unstamped(error_message(error, None))
                continue
            if elsewhere is not None:
                try:
                    onward = await elsewhere.onward(browser, text, None)
                except StoreError as error:
                    logger.info("A socket has to try again: %s", error)
                    if browser.outbox is not None and browser.session.holds(fence):
                        browser.outbox.close(TRY_AGAIN, "try again later")
                    continue
                if not browser.session.holds(fence):
                    continue
                if onward is not None:
                    return onward
            self._switchboard.receive(browser, text)

    async def _write(self, socket: WebSocket, outbox: Outbox) -> None:
        """Write what is queued, in order, until the socket closes or is too slow.

        Whatever ends it ends the socket, so that the reader comes to its end as well.
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
                            self._telemetry.closed(item.code)
                        return
                    await socket.send_text(item)
        except TimeoutError:
            outbox.close(TOO_SLOW, "too slow")  # no more is queued; a code would not get through either
            self._telemetry.closed(TOO_SLOW)
            abort(socket.scope)
        except (WebSocketDisconnect, RuntimeError):
            pass  # closed while it was being written to
        except Exception:
            logger.exception("A socket could not be written to")
            abort(socket.scope)
