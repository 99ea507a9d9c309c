"""The agent host of one lobby: its connections to people, its agents' voices, its ears."""

from __future__ import annotations

import asyncio
import logging
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
from voicebot.media.outbound_audio import OutboundAudio, SendPacket
from voicebot.rtc.ice_servers.planner import Planner
from voicebot.rtc.peer import MAX_CANDIDATES, ConnectionChange, OnChange, Peer
from voicebot.rtc.tap import AudioPacket, OnAudio
from voicebot.rtc.track import OutboundTrack
from voicebot.signaling.messages import IceServer
from voicebot.vad.base import VAD

log = logging.getLogger(__name__)

STALE_TAP = 0.1
"""Seconds without packets after which held-back ones are used."""
OVERLAP = 3.0
"""Seconds a browser has to close the older connection once a newer one works; then it is closed here."""

Spawn = Callable[[Coroutine[Any, Any, None], str], None]
"""Starts a named task that its owner keeps."""
Record = Callable[[str, str, bytes, float, int], None]
"""Host, participant, Opus packet, clock time of its first sample, 48 kHz samples."""


@dataclass
class Link:
    """One person's connections: the newest epoch and, until the browser plays that one, those before."""

    epoch: int = -1
    peers: dict[int, Peer] = field(default_factory=dict)
    agents: dict[int, dict[str, str]] = field(default_factory=dict)
    """By epoch: mid to agent."""
    early: dict[int, list[media.AddIceCandidate]] = field(default_factory=dict)
    """Candidates that came before their epoch's offer."""
    ears: set[str] = field(default_factory=set)
    heard: int = -1
    """The newest epoch a microphone was heard on; it is sent on all, and listened to on one."""
    replaced: dict[int, float] = field(default_factory=dict)
    """By epoch that a newer one replaces: the clock time to close it at."""

    def connected(self) -> dict[int, Peer]:
        """The connections that work, by epoch."""
        return {epoch: peer for epoch, peer in self.peers.items() if peer.state == "connected"}


class Host:
    """Agents of one lobby on one set of connections."""

    def __init__(
        self,
        host_id: str,
        hearing: media.HearingSettings,
        *,
        vad: VAD,
        clock: Clock,
        origin: float,
        notify: OnNotice,
        spawn: Spawn,
        record: Record,
        planner: Planner,
    ) -> None:
        self.host_id = host_id
        self.hearing = hearing
        self._vad = vad
        self._clock = clock
        self._origin = origin
        self._notify = notify
        self._spawn = spawn
        self._record = record
        self._planner = planner
        self._links: dict[str, Link] = {}
        self._listeners: dict[str, list[OutboundTrack]] = {}
        self.voices: dict[str, OutboundAudio] = {}
        self.ears: dict[str, InboundAudio] = {}
        self._gone_echo = 0.0
        self._sent = EchoReference()
        """What the agents are heard to say, to know it in a microphone."""

    # ------------------------------------------------------------ commands

    def carry_out(self, command: Command) -> None:
        """Whatever the command names may be gone by now."""
        match command:
            case media.QueueAudio(_, agent_id, speech_id, index, pcm, rate, held):
                if (voice := self.voices.get(agent_id)) is None:
                    self._notify(media.PlayoutEnded.unheard(command, self._clock()))
                    return
                try:
                    voice.say(speech_id, index, pcm, rate, held)
                except ValueError as error:
                    log.error("audio of speech %s cannot be played: %s", speech_id, error)
                    voice.stop(speech_id)  # or it counted as heard
            case media.EndSpeech(_, agent_id, speech_id):
                if voice := self.voices.get(agent_id):
                    voice.end(speech_id)
            case media.HoldSpeech(_, agent_id, speech_id, by):
                if voice := self.voices.get(agent_id):
                    voice.hold(speech_id, by)
            case media.ResumeSpeech(_, agent_id, speech_id):
                if voice := self.voices.get(agent_id):
                    voice.resume(speech_id)
            case media.StopSpeech(_, agent_id, speech_id):
                if voice := self.voices.get(agent_id):
                    voice.stop(speech_id)
            case media.AwaitSilence(_, participant_id, until):
                if (ear := self.ears.get(participant_id)) is not None:
                    ear.await_silence(until)
                else:  # who has no microphone here says nothing
                    self._notify(media.SilenceReached(self.host_id, participant_id, until))
            case media.AddAgentTrack(_, agent_id):
                self.add_agent(agent_id)
            case media.RemoveAgentTrack(_, agent_id):
                self.remove_agent(agent_id)
            case media.AddIceCandidate():
                self.add_candidate(command)
            case media.ClosePeer(_, peer_id):
                self.close_peer(peer_id)

    # ------------------------------------------------------------ agents

    def add_agent(self, agent_id: str) -> None:
        if agent_id in self.voices:
            return

        def send(payload: bytes, pts: int, due: float) -> None:
            for track in self._listeners.get(agent_id, ()):
                track.push(payload, pts)
            self._record(self.host_id, agent_id, payload, due, FRAME_SAMPLES)

        self.voices[agent_id] = self._new_voice(agent_id, send)
        self._route()

    def _new_voice(self, agent_id: str, send: SendPacket) -> OutboundAudio:
        return OutboundAudio(
            self.host_id,
            agent_id,
            clock=self._clock,
            origin=self._origin,
            send=send,
            notify=self._notify,
            played=self._sent.played,
        )

    def remove_agent(self, agent_id: str) -> None:
        voice = self.voices.pop(agent_id, None)
        if voice is not None:
            voice.close()
            self._route()

    def _agent_talking(self) -> bool:
        return any(voice.talking for voice in self.voices.values())

    def _barge_in(self, participant_id: str) -> None:
        for voice in self.voices.values():
            if voice.talking:
                voice.hold_for(participant_id)

    # ------------------------------------------------------------ peers

    async def answer(self, offer: PeerOffer) -> Answer:
        """See `MediaPlane.answer`."""
        peer_id, epoch = offer.peer_id, offer.epoch
        link = self._links.setdefault(peer_id, Link())
        if epoch < link.epoch:
            raise MediaError(
                f"Epoch {epoch} is over; the current one is {link.epoch}.", code="stale_epoch", retryable=True
            )
        agents = {mid: who for mid, who in offer.tracks.items() if who in self.voices}
        mics = {mid: who for mid, who in offer.tracks.items() if who not in self.voices}
        peer = link.peers.get(epoch)
        before = link.epoch
        if epoch > before:
            peer = self._connect(link, offer)
        elif peer is None:
            raise MediaError(
                f"The connection of epoch {epoch} has ended.",
                hint="Start a negotiation with a larger epoch.",
                code="peer_closed",
                retryable=True,
            )
        assert peer is not None
        link.agents[epoch] = agents
        try:
            answer = await peer.answer(offer.sdp, mics, agents)
        except MediaError:
            if epoch > before:  # never begun: the same epoch may be tried again with a better offer
                link.peers.pop(epoch, None)
                link.agents.pop(epoch, None)
                link.epoch = before if link.epoch == epoch else link.epoch
                peer.abandon()
                self._spawn(peer.close(), f"close {peer_id} epoch {epoch}")
            raise
        if self._links.get(peer_id) is not link:
            raise MediaError("The person left meanwhile.", code="peer_closed")
        if peer.mic_mid in mics:
            self._listen(link, mics[peer.mic_mid])
        self._route()
        return Answer(answer, agents)

    def _connect(self, link: Link, offer: PeerOffer) -> Peer:
        epoch = offer.epoch

        def on_change(change: ConnectionChange) -> None:
            self._peer_changed(offer.peer_id, link, epoch, change)

        def on_audio(packet: AudioPacket) -> None:
            if epoch < link.heard:
                return
            link.heard = epoch
            for who in link.ears:  # one microphone per person
                self.ears[who].packet(peer, packet.payload, packet.timestamp, packet.arrival)

        peer = self._new_peer(offer.ice_servers, on_audio, on_change)
        link.epoch = epoch
        link.peers[epoch] = peer
        for candidate in link.early.pop(epoch, ()):
            # they wait for the answer, which takes its turn first
            peer.add_candidate(candidate.candidate, candidate.sdp_mid, candidate.index)
        link.early = {e: found for e, found in link.early.items() if e > epoch}
        return peer

    def _new_peer(self, servers: Sequence[IceServer], on_audio: OnAudio, on_change: OnChange) -> Peer:
        return Peer(servers, on_audio, on_change, self._clock, self._planner)

    def _listen(self, link: Link, participant_id: str) -> None:
        for other in link.ears - {participant_id}:
            self._drop_ear(other)
        link.ears = {participant_id}
        if participant_id not in self.ears:

            def record(payload: bytes, time: float, samples: int) -> None:
                self._record(self.host_id, participant_id, payload, time, samples)

            self.ears[participant_id] = self._new_ear(participant_id, record)

    def _new_ear(self, participant_id: str, on_packet: OnPacket) -> InboundAudio:
        return InboundAudio(
            self.host_id,
            participant_id,
            self.hearing,
            self._vad.stream(),
            self._notify,
            agent_talking=self._agent_talking,
            barge_in=self._barge_in,
            on_packet=on_packet,
            echo=EchoGate(self._sent),
        )

    def _drop_ear(self, participant_id: str) -> None:
        if (ear := self.ears.pop(participant_id, None)) is not None:
            self._gone_echo += ear.echo_seconds
            ear.close()

    def _peer_changed(self, peer_id: str, link: Link, epoch: int, change: ConnectionChange) -> None:
        if change.state == "connected":
            for old in [e for e in link.peers if e < epoch]:
                # a browser plays one until the other is heard, and closes it then; only it knows when
                playing = link.peers[old].state == "connected"
                link.replaced.setdefault(old, self._clock() + OVERLAP if playing else 0.0)
            self._close_replaced(peer_id, link, self._clock())
        elif change.state in ("failed", "closed"):
            link.peers.pop(epoch, None)
            link.agents.pop(epoch, None)
            link.replaced.pop(epoch, None)
        self._route()
        if any(e > epoch and p.state == "connected" for e, p in link.peers.items()):
            return  # superseded: nobody needs to know
        self._notify(
            media.PeerState(
                self.host_id, peer_id, epoch, change.state, change.local, change.remote, change.reason
            )
        )

    def _close_replaced(self, peer_id: str, link: Link, now: float) -> None:
        for epoch in [e for e, due in link.replaced.items() if due <= now]:
            del link.replaced[epoch]
            if (peer := link.peers.get(epoch)) is not None:
                self._spawn(peer.close(), f"close {peer_id} epoch {epoch}")

    def add_candidate(self, command: media.AddIceCandidate) -> None:
        link = self._links.setdefault(command.peer_id, Link())
        if (peer := link.peers.get(command.epoch)) is not None:
            peer.add_candidate(command.candidate, command.sdp_mid, command.index)
        elif command.epoch > link.epoch:
            early = link.early.setdefault(command.epoch, [])
            if len(early) < MAX_CANDIDATES and len(link.early) <= 4:
                early.append(command)

    def close_peer(self, peer_id: str) -> None:
        link = self._links.pop(peer_id, None)
        if link is None:
            return
        for who in link.ears:
            self._drop_ear(who)
        link.ears = set()
        for epoch, peer in list(link.peers.items()):
            self._spawn(peer.close(), f"close {peer_id} epoch {epoch}")
        self._route()

    def _route(self) -> None:
        """Work out anew which tracks carry each agent: those of every connection that works.

        While one replaces another both carry the same packets and the browser plays one of the two,
        so that nothing is missed and nothing is heard twice whenever it changes over.
        """
        listeners: dict[str, list[OutboundTrack]] = {agent_id: [] for agent_id in self.voices}
        for link in self._links.values():
            for epoch, peer in link.connected().items():
                for mid, agent_id in link.agents.get(epoch, {}).items():
                    track = peer.outbound.get(mid)
                    if track is not None and agent_id in listeners:
                        listeners[agent_id].append(track)
        self._listeners = listeners

    # ------------------------------------------------------------ upkeep

    def tick(self, now: float) -> None:
        """Ten times a second: microphones that fell silent without saying so, connections to close."""
        for peer_id, link in self._links.items():
            self._close_replaced(peer_id, link, now)
            for peer in link.peers.values():
                if peer.tap is not None and now - peer.tap.last_arrival > STALE_TAP:
                    peer.tap.flush()
        for ear in self.ears.values():
            ear.idle(now)

    @property
    def connections(self) -> int:
        return sum(bool(link.connected()) for link in self._links.values())

    @property
    def late_frames(self) -> int:
        return sum(voice.late_frames for voice in self.voices.values())

    @property
    def echo_seconds(self) -> float:
        """Of agents' own voices in people's microphones."""
        return self._gone_echo + sum(ear.echo_seconds for ear in self.ears.values())

    @property
    def lost_packets(self) -> int:
        taps = (peer.tap for link in self._links.values() for peer in link.peers.values())
        return sum(tap.lost for tap in taps if tap is not None)

    async def aclose(self) -> None:
        """End every voice and connection."""
        for agent_id in list(self.voices):
            self.remove_agent(agent_id)
        peers = [peer for link in self._links.values() for peer in link.peers.values()]
        for peer_id in list(self._links):
            link = self._links.pop(peer_id)
            for who in link.ears:
                self._drop_ear(who)
            link.ears = set()
        await asyncio.gather(*(peer.close() for peer in peers), return_exceptions=True)
