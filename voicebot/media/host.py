"""The agent host of one lobby: its connections to people, the agents' voices and the people's microphones."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from voicebot.audio.echo import EchoGate, EchoReference
from voicebot.audio.frames import FRAME_SAMPLES
from voicebot.clock import Clock
from voicebot.errors import MediaError
from voicebot.media import base as media
from voicebot.media.base import Answer, Command, OnNotice, PeerOffer
from voicebot.media.inbound_audio import InboundAudio, OnPacket
from voicebot.media.outbound_audio import OutboundAudio
from voicebot.media.utterances import Utterances
from voicebot.rtc.ice_servers.planner import Planner
from voicebot.rtc.peer import MAX_CANDIDATES, ConnectionChange, OnChange, Peer
from voicebot.rtc.reorder import AudioPacket
from voicebot.rtc.tap import OnAudio
from voicebot.rtc.track import OutboundTrack
from voicebot.signaling.messages import IceServer
from voicebot.vad.base import VAD

log = logging.getLogger(__name__)

STALE_TAP = 0.1
"""Seconds without packets after which the packets held back for a gap are used."""
OVERLAP = 3.0
"""Seconds that a browser has to close its older connection once a newer one works. Then the host does."""


@dataclass(frozen=True)
class HostContext:
    """What all hosts of one engine share."""

    vad: VAD
    clock: Clock
    origin: float
    """Clock time at which outgoing RTP timestamps begin."""
    notify: OnNotice
    spawn: Callable[[Coroutine[Any, Any, None], str], None]
    """Starts a named task, which the engine keeps."""
    record: Callable[[str, str, bytes, float, int], None]
    """Takes host, participant, Opus packet, clock time of its first sample, and its 48 kHz samples."""
    planner: Planner


@dataclass
class Connection:
    """One epoch of a person's connections."""

    peer: Peer
    agents: dict[str, str] = field(default_factory=dict)
    """The agent on each mid."""
    close_at: float = math.inf
    """Clock time at which it is closed, because a newer one has replaced it."""

    @property
    def works(self) -> bool:
        """Whether it is connected."""
        return self.peer.state == "connected"


@dataclass
class Link:
    """The connections of one person: the newest epoch, and older ones until the browser plays the newest."""

    epoch: int = -1
    connections: dict[int, Connection] = field(default_factory=dict)
    """The open connections by epoch."""
    early: dict[int, list[media.AddIceCandidate]] = field(default_factory=dict)
    """Candidates that came before the offer of their epoch."""
    speaker: str = ""
    """The participant whose microphone is heard."""
    heard: int = -1
    """The newest epoch with a microphone. The microphone is sent on all epochs, and used on this one."""


class Host:
    """The agents of one lobby on one set of connections."""

    def __init__(self, context: HostContext, host_id: str, hearing: media.HearingSettings) -> None:
        self.host_id = host_id
        self.hearing = hearing
        self._context = context
        self._clock, self._notify = context.clock, context.notify
        self._links: dict[str, Link] = {}
        self._listeners: dict[str, list[OutboundTrack]] = {}
        self.voices: dict[str, OutboundAudio] = {}
        self.microphones: dict[str, InboundAudio] = {}
        self._gone_echo = 0.0
        self._sent = EchoReference()
        """What the agents said, to recognise it in a microphone."""

    # ------------------------------------------------------------ commands

    def carry_out(self, command: Command) -> None:
        """Carry out a command; what it names may be gone by now."""
        match command:
            case command if isinstance(command, media.SpeechCommand):
                if (voice := self.voices.get(command.agent_id)) is not None:
                    voice.carry_out(command)
                elif isinstance(command, media.QueueAudio):
                    self._notify(media.PlayoutEnded.unheard(command, self._clock()))
            case media.AwaitSilence(_, participant_id, until):
                if (microphone := self.microphones.get(participant_id)) is not None:
                    microphone.await_silence(until)
                else:  # somebody without a microphone here is silent
                    self._notify(media.SilenceReached(self.host_id, participant_id, until))
            case media.AddAgentTrack(_, agent_id):
                self._add_agent(agent_id)
            case media.RemoveAgentTrack(_, agent_id):
                self.remove_agent(agent_id)
            case media.AddIceCandidate():
                self._add_candidate(command)
            case media.ClosePeer(_, peer_id):
                for epoch, connection in self._forget(peer_id).items():
                    self._close(connection.peer, peer_id, epoch)
                self._route()

    # ------------------------------------------------------------ agents

    def _add_agent(self, agent_id: str) -> None:
        if agent_id in self.voices:
            return

        def send(payload: bytes, pts: int, due: float) -> None:
            for track in self._listeners.get(agent_id, ()):
                track.push(payload, pts)
            self._context.record(self.host_id, agent_id, payload, due, FRAME_SAMPLES)

        self.voices[agent_id] = OutboundAudio(
            self.host_id,
            agent_id,
            clock=self._clock,
            origin=self._context.origin,
            send=send,
            notify=self._notify,
            played=self._sent.played,
        )
        self._route()

    def remove_agent(self, agent_id: str) -> None:
        """End an agent's speeches and its track."""
        voice = self.voices.pop(agent_id, None)
        if voice is not None:
            voice.close()
            self._route()

    def _agent_talking(self) -> bool:
        return any(voice.talking for voice in self.voices.values())

    def _barge_in(self, participant_id: str) -> None:
        for voice in self.voices.values():
            if voice.talking:
                voice.hold_all(participant_id)

    # ------------------------------------------------------------ peers

    async def answer(self, offer: PeerOffer) -> Answer:
        """See `MediaPlane.answer`."""
        peer_id, epoch = offer.peer_id, offer.epoch
        link = self._links.setdefault(peer_id, Link())
        if epoch < link.epoch:
            raise MediaError(
                f"Epoch {epoch} is over. The current one is {link.epoch}.",
                hint="Wait for start_webrtc_negotiation and use its epoch.",
                code="stale_epoch",
                retryable=True,
            )
        agents = {mid: who for mid, who in offer.tracks.items() if who in self.voices}
        mics = {mid: who for mid, who in offer.tracks.items() if who not in self.voices}
        before = link.epoch
        connection = self._connect(link, offer) if epoch > before else link.connections.get(epoch)
        if connection is None:
            raise MediaError(
                f"The connection of epoch {epoch} has ended.",
                hint="Start a negotiation with a larger epoch.",
                code="peer_closed",
                retryable=True,
            )
        peer = connection.peer
        connection.agents = agents
        try:
            answer = await peer.answer(offer.sdp, mics, agents)
        except MediaError:
            if epoch > before:  # it never began, so a better offer may use the same epoch
                link.connections.pop(epoch, None)
                link.epoch = before if link.epoch == epoch else link.epoch
                peer.abandon()
                self._close(peer, peer_id, epoch)
            raise
        if self._links.get(peer_id) is not link:
            raise MediaError("The person has left in the meantime.", code="peer_closed")
        if peer.mic_mid in mics:
            self._listen(link, mics[peer.mic_mid])
        self._route()
        return Answer(answer, agents)

    def _connect(self, link: Link, offer: PeerOffer) -> Connection:
        epoch = offer.epoch

        def on_change(change: ConnectionChange) -> None:
            self._peer_changed(offer.peer_id, link, epoch, change)

        def on_audio(packet: AudioPacket) -> None:
            if epoch < link.heard:
                return
            link.heard = epoch
            if (microphone := self.microphones.get(link.speaker)) is not None:
                microphone.packet(peer, packet.payload, packet.timestamp, packet.arrival)

        peer = self._new_peer(offer.ice_servers, on_audio, on_change)
        link.epoch = epoch
        connection = link.connections[epoch] = Connection(peer)
        for candidate in link.early.pop(epoch, ()):
            # they wait for the answer, which comes first
            peer.add_candidate(candidate.candidate, candidate.sdp_mid, candidate.index)
        link.early = {e: found for e, found in link.early.items() if e > epoch}
        return connection

    def _new_peer(self, servers: Sequence[IceServer], on_audio: OnAudio, on_change: OnChange) -> Peer:
        return Peer(servers, on_audio, on_change, self._clock, self._context.planner)

    def _listen(self, link: Link, participant_id: str) -> None:
        if link.speaker != participant_id:
            self._drop_microphone(link.speaker)
            link.speaker = participant_id
        if participant_id in self.microphones:
            return

        def record(payload: bytes, time: float, samples: int) -> None:
            self._context.record(self.host_id, participant_id, payload, time, samples)

        utterances = Utterances(
            self.host_id,
            participant_id,
            self.hearing,
            self._notify,
            agent_talking=self._agent_talking,
            barge_in=self._barge_in,
            echo=EchoGate(self._sent),
        )
        self.microphones[participant_id] = self._new_microphone(utterances, record)

    def _new_microphone(self, utterances: Utterances, on_packet: OnPacket) -> InboundAudio:
        return InboundAudio(utterances, self._context.vad.stream(), on_packet)

    def _drop_microphone(self, participant_id: str) -> None:
        if (microphone := self.microphones.pop(participant_id, None)) is not None:
            self._gone_echo += microphone.utterances.echo_seconds
            microphone.close()

    def _peer_changed(self, peer_id: str, link: Link, epoch: int, change: ConnectionChange) -> None:
        if change.state == "connected":
            for number, old in link.connections.items():
                if number < epoch:
                    # the browser plays the old one until it hears the new one; only it knows when to close
                    old.close_at = min(old.close_at, self._clock() + OVERLAP if old.works else 0.0)
            self._close_replaced(peer_id, link, self._clock())
        elif change.state in ("failed", "closed"):
            link.connections.pop(epoch, None)
        self._route()
        if not any(newer > epoch and other.works for newer, other in link.connections.items()):
            self._notify(
                media.PeerState(
                    self.host_id, peer_id, epoch, change.state, change.local, change.remote, change.reason
                )
            )

    def _close_replaced(self, peer_id: str, link: Link, now: float) -> None:
        for epoch, connection in link.connections.items():
            if connection.close_at <= now:
                connection.close_at = math.inf
                self._close(connection.peer, peer_id, epoch)

    def _close(self, peer: Peer, peer_id: str, epoch: int) -> None:
        self._context.spawn(peer.close(), f"close {peer_id} epoch {epoch}")

    def _add_candidate(self, command: media.AddIceCandidate) -> None:
        link = self._links.setdefault(command.peer_id, Link())
        if (connection := link.connections.get(command.epoch)) is not None:
            connection.peer.add_candidate(command.candidate, command.sdp_mid, command.index)
        elif command.epoch > link.epoch:
            early = link.early.setdefault(command.epoch, [])
            if len(early) < MAX_CANDIDATES and len(link.early) <= 4:
                early.append(command)

    def _forget(self, peer_id: str) -> dict[int, Connection]:
        """Remove a person's microphone and connections; returns the connections, which are still open."""
        link = self._links.pop(peer_id, Link())
        self._drop_microphone(link.speaker)
        link.speaker = ""
        return dict(link.connections)

    def _route(self) -> None:
        """Find the tracks that carry each agent: those of every connection that works.

        While one connection replaces another, both carry the same packets and the browser plays one of
        them. So nothing is lost and nothing is heard twice, whenever the browser switches.
        """
        listeners: dict[str, list[OutboundTrack]] = {agent_id: [] for agent_id in self.voices}
        for connection in (c for link in self._links.values() for c in link.connections.values() if c.works):
            for mid, agent_id in connection.agents.items():
                track = connection.peer.outbound.get(mid)
                if track is not None and agent_id in listeners:
                    listeners[agent_id].append(track)
        self._listeners = listeners

    # ------------------------------------------------------------ upkeep

    def tick(self, now: float) -> None:
        """End utterances of silent microphones and close replaced connections. Called ten times a second."""
        for peer_id, link in self._links.items():
            self._close_replaced(peer_id, link, now)
            for connection in link.connections.values():
                tap = connection.peer.tap
                if tap is not None and now - tap.last_arrival > STALE_TAP:
                    tap.flush()
        for microphone in self.microphones.values():
            microphone.idle(now)

    @property
    def connections(self) -> int:
        """The number of people who are connected."""
        return sum(any(c.works for c in link.connections.values()) for link in self._links.values())

    def losses(self) -> tuple[int, int, float]:
        """The totals of missed slots, lost packets and seconds of echo, as in `MediaStats`."""
        taps = (c.peer.tap for link in self._links.values() for c in link.connections.values())
        return (
            sum(voice.late_frames for voice in self.voices.values()),
            sum(tap.lost for tap in taps if tap is not None),
            self._gone_echo
            + sum(microphone.utterances.echo_seconds for microphone in self.microphones.values()),
        )

    async def aclose(self) -> None:
        """End every voice and connection."""
        for agent_id in list(self.voices):
            self.remove_agent(agent_id)
        ending = [c.peer.close() for peer_id in list(self._links) for c in self._forget(peer_id).values()]
        await asyncio.gather(*ending, return_exceptions=True)
