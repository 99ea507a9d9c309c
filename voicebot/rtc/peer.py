"""One WebRTC connection (one epoch) between an agent host and a browser."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass
from typing import Literal

from aiortc import RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription
from aiortc.sdp import SessionDescription

from voicebot.clock import Clock
from voicebot.errors import MediaError
from voicebot.rtc import ice, offer
from voicebot.rtc.ice_servers.planner import Planner
from voicebot.rtc.shortcut import Outbound
from voicebot.rtc.tap import OnAudio, Tap
from voicebot.rtc.track import OutboundTrack
from voicebot.signaling.messages import IceServer

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 15.0
"""Seconds for ICE and DTLS to connect."""
CLOSE_TIMEOUT = 3.0
MAX_CANDIDATES = 64

PeerStateName = Literal["connecting", "connected", "failed", "closed"]


@dataclass(frozen=True)
class ConnectionChange:
    """A new state of the connection."""

    state: PeerStateName
    reason: str = ""
    local: str | None = None
    remote: str | None = None


OnChange = Callable[[ConnectionChange], None]


class Peer:
    """Answers the offers of one browser for one epoch.

    `outbound` maps each mid to the track that is sent there, and is complete after each answer. The state
    only moves forward: connecting, connected, and then failed or closed.
    """

    def __init__(
        self,
        servers: Iterable[IceServer],
        on_audio: OnAudio,
        on_change: OnChange,
        clock: Clock,
        planner: Planner,
    ) -> None:
        """`on_audio` gets the packets of the microphone. `planner` chooses among `servers`.

        Raises MediaError for an address that is no STUN or TURN address.
        """
        self._servers, self._planner = tuple(servers), planner
        # aiortc reads it when the first offer is answered, after the planner has chosen
        self._configuration = ice.configuration(self._servers)
        self._pc = RTCPeerConnection(self._configuration)
        self._no_relay = ""
        self._on_audio = on_audio
        self._on_change = on_change
        self._clock = clock
        self._lock = asyncio.Lock()
        self._offer: SessionDescription | None = None
        self._candidates = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timeout: asyncio.TimerHandle | None = None
        self._shutting: asyncio.Task[None] | None = None
        self.tap: Tap | None = None
        """Receives the microphone's packets, once a microphone was offered."""
        self.mic_mid: str | None = None
        """The mid of the microphone's section."""
        self.state: PeerStateName | Literal["new"] = "new"
        self.outbound: dict[str, OutboundTrack] = {}
        self._pc.on("connectionstatechange", self._connection_changed)

    async def answer(self, sdp: str, mics: Collection[str], agents: Collection[str]) -> str:
        """Answer an offer; returns the SDP.

        It listens to the first mid of `mics` and sends on the mids of `agents`. All other sections, and
        video, are answered inactive.

        Raises:
            MediaError: The offer is unusable, or the connection is over.
        """
        async with self._lock:
            parsed = offer.read_offer(sdp)
            if self._offer is not None:
                offer.check_renegotiation(self._offer, parsed)
            if self.state in ("failed", "closed"):
                raise self._over()
            if self.state == "new":
                self._set(ConnectionChange("connecting"))
                self._timeout = asyncio.get_running_loop().call_later(CONNECT_TIMEOUT, self._timed_out)
            try:
                return await self._negotiate(parsed, mics, agents)
            except MediaError:
                raise
            except Exception as error:  # aiortc raises ValueError, InvalidStateError, OperationError, ...
                raise MediaError(f"The offer cannot be answered: {error}.", code="bad_sdp") from error

    async def _negotiate(
        self, parsed: SessionDescription, mics: Collection[str], agents: Collection[str]
    ) -> str:
        if self._offer is None:
            choice = await self._planner.choose(self._servers)
            self._configuration.iceServers = ice.configuration(choice.servers).iceServers
            self._no_relay = choice.warning
            if self.state in ("failed", "closed"):  # it ended meanwhile
                raise self._over()
        rejected = {m.rtp.muxId for m in parsed.media if offer.is_rejected(m)}
        await self._pc.setRemoteDescription(RTCSessionDescription(str(parsed), "offer"))
        for transceiver in self._pc.getTransceivers():
            mid = transceiver.mid or ""
            if mid in rejected or transceiver.kind != "audio":
                transceiver.direction = "inactive"
            elif mid in mics and self._listen(transceiver):
                transceiver.direction = "recvonly"
            elif mid in agents:
                transceiver.direction = "sendonly"
                if mid not in self.outbound:
                    track = self.outbound[mid] = OutboundTrack()
                    transceiver.sender.replaceTrack(track)
            else:
                transceiver.direction = "inactive"
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        self._shorten()
        self._offer = parsed
        if all(m.ice_candidates_complete and not m.ice_candidates for m in parsed.media):
            self._fail("the browser offers no candidates: it has no network, or its TURN server refused")
        elif not ice.has_local_candidates(self._pc):
            self._fail("no local candidates: no network, or the TURN server refused its credentials")
        return offer.reject_sections(self._pc.localDescription.sdp, rejected)

    def _shorten(self) -> None:
        """Let new tracks send without aiortc's tasks (see `shortcut`)."""
        media = SessionDescription.parse(self._pc.localDescription.sdp).media
        types = {m.rtp.muxId: m.rtp.codecs[0].payloadType or 0 for m in media if m.rtp.codecs}
        for transceiver in self._pc.getTransceivers():
            track = self.outbound.get(transceiver.mid or "")
            payload_type = types.get(transceiver.mid or "")
            if track is not None and track.direct is None and payload_type is not None:
                track.direct = Outbound(transceiver.sender, payload_type)

    def _over(self) -> MediaError:
        return MediaError(
            f"The connection has {self.state}.",
            hint="Start a negotiation with a larger epoch.",
            code="peer_closed",
            retryable=True,
        )

    def _listen(self, transceiver: RTCRtpTransceiver) -> bool:
        """Tap the microphone of a section; returns False if it sends nothing or another one is tapped."""
        if transceiver.mid == self.mic_mid:
            return True
        if self.mic_mid is not None or transceiver.receiver.track is None:
            return False
        self.mic_mid = transceiver.mid
        self.tap = Tap(transceiver.receiver, self._on_audio, self._clock)
        return True

    def add_candidate(self, text: str, sdp_mid: str | None, index: int | None) -> None:
        """Add a trickled candidate; "" is end-of-candidates. Bad ones are logged and dropped."""
        self._candidates += 1
        if self._candidates > MAX_CANDIDATES:
            log.warning("more than %d ICE candidates: dropped", MAX_CANDIDATES)
            return
        try:
            candidate = ice.parse_candidate(text, sdp_mid, index)
        except ValueError as error:
            log.warning("%s: dropped", error)
            return

        async def add() -> None:
            async with self._lock:  # the lock is fair: candidates stay in order, after the current answer
                usable = self.state not in ("failed", "closed") and self._offer is not None
            if usable:  # outside the lock, because resolving an mDNS name may take seconds
                await self._pc.addIceCandidate(candidate)

        self._spawn(add(), "candidate")

    def abandon(self) -> None:
        """Report no more changes of this connection."""
        self._on_change = lambda change: None

    async def close(self) -> None:
        """Close the connection, and report `closed` unless it had failed. Safe to call twice."""
        if self.tap is not None:
            self.tap.close()
        self._set(ConnectionChange("closed"))
        for task in list(self._tasks):
            if task is not asyncio.current_task():
                task.cancel()
        await self._shut()

    def _spawn(self, coroutine: Coroutine[None, None, None], what: str) -> None:
        task = asyncio.create_task(coroutine, name=f"peer {what}")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("%s: %r", task.get_name(), error)

    def _connection_changed(self) -> None:
        state = self._pc.connectionState
        if state == "connected" and self.state == "connecting":
            local, remote = ice.selected_pair(self._pc)
            self._set(ConnectionChange("connected", local=local, remote=remote))
        elif state == "failed":
            before = self.state
            self._fail(
                "the network path was lost"
                if before == "connected"
                else "no network path to the browser was found (a TURN server may be needed)"
            )
        elif state == "closed":
            self._set(ConnectionChange("closed", "the browser closed the connection"))

    def _timed_out(self) -> None:
        self._fail(
            f"ICE and DTLS did not connect in {CONNECT_TIMEOUT:g} s"
            f" (ICE {self._pc.iceConnectionState}, connection {self._pc.connectionState})"
        )

    def _fail(self, reason: str) -> None:
        if self.state in ("failed", "closed"):
            return
        if self._no_relay and self.state == "connecting":
            reason = f"{reason}. {self._no_relay}"
        self._set(ConnectionChange("failed", reason))
        self._spawn(self._shut(), "shutdown")

    async def _shut(self) -> None:
        """Close aiortc's connection, without waiting for a dead TURN server (aioice tries for 50 s)."""
        if self._shutting is None:
            self._shutting = asyncio.create_task(self._close_below(), name="peer shutdown")
            self._shutting.add_done_callback(self._done)
        await asyncio.wait([self._shutting], timeout=CLOSE_TIMEOUT)

    async def _close_below(self) -> None:
        async with self._lock:  # otherwise an allocation of the current gathering would never be deleted
            await self._pc.close()

    def _set(self, change: ConnectionChange) -> None:
        if self.state in ("failed", "closed") or change.state == self.state:
            return
        log.debug("peer %s -> %s %s", self.state, change.state, change.reason)
        self.state = change.state
        if self._timeout is not None and change.state != "connecting":
            self._timeout.cancel()
        self._on_change(change)
