"""The WebRTC connections of one lobby: who connects to whom, and what the two ends send each other."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from voicebot.agent.session import AgentSession
from voicebot.clock import Clock
from voicebot.errors import SignalingError, VoicebotError
from voicebot.events import ConnectionState
from voicebot.media.base import MediaGone, Notice, PeerState
from voicebot.server.lobby.pair import Pair, PeerRole
from voicebot.server.lobby.presence import Presence
from voicebot.signaling.messages import (
    ConnectionReady,
    DescriptionData,
    IceCandidate,
    Message,
    NegotiationNeeded,
    RenegotiateRequest,
    RenegotiateRequestData,
    WebrtcAnswer,
    WebrtcOffer,
    WebrtcStateChange,
    WebrtcStateChangeData,
)
from voicebot.signaling.negotiation import Action, Failed, Negotiation, PairState
from voicebot.signaling.turn import IcePlan

_CANDIDATE_TYPES = {"host", "srflx", "prflx", "relay"}
_WORDS = re.compile(r"[A-Za-z_ ,.'()-]*")


class Spawn(Protocol):
    """Runs work as an owned task. Errors are sent to the person `me` as the answer to message `id`."""

    def __call__(self, work: Coroutine[Any, Any, None], name: str, me: str, id: str | None) -> None: ...


class Negotiations:
    """Connects the people of a lobby to each other, and each of them to its agent host.

    `ice(user)` returns fresh ICE servers. Epochs are larger than `epoch_base`, which must be above every
    epoch of an earlier server.
    """

    def __init__(
        self,
        agent_session: AgentSession,
        presence: Presence,
        *,
        clock: Clock,
        ice: Callable[[str], IcePlan],
        spawn: Spawn,
        epoch_base: int = 0,
    ) -> None:
        self._agent_session, self._lobby = agent_session, agent_session.lobby
        self.lobby_id, self.clock, self.ice, self.tell = self._lobby.id, clock, ice, presence.tell
        self._presence, self._spawn = presence, spawn
        self._epoch_base, self._epochs = epoch_base, itertools.count(epoch_base + 1)
        self._pairs: defaultdict[str, dict[str, Pair]] = defaultdict(dict)
        """Each pair under both of its ends, because every message asks for the pairs of one person."""
        self._reported: dict[tuple[str, str], tuple[int, WebrtcStateChangeData]] = {}
        self._on_action: Callable[[tuple[str, str], Action | None], None] = lambda ends, action: None

    def watch(self, on_action: Callable[[tuple[str, str], Action | None], None]) -> None:
        """Call `on_action(ends, action)` with every action, and with None when the pair is closed."""
        self._on_action = on_action

    def begin(self, me: str) -> None:
        """Connect a person who has joined, perhaps again, to everyone who is here."""
        for pair in self._of(me):
            pair.present(me)
        for other in self._lobby.humans:
            if other.id != me:
                self._people(impolite=other.id, polite=me).begin()
        if self._lobby.agents:
            self._with_host(me).begin()

    def away(self, me: str) -> None:
        """Handle a person who has lost their socket.

        Their connections stay, and new attempts wait until they are back.
        """
        for pair in self._of(me):
            pair.away(me)

    def back(self, me: str) -> None:
        """Handle a person who resumes on a new socket, with the same page.

        Begins the connections that waited for them or had failed. After a restart of the server, nothing is
        known about their connections: those between people continue, and the one to the agents begins anew.
        """
        for pair in self._of(me):
            pair.back(me)
        for other in self._lobby.humans:
            if other.id != me and self._between(me, other.id) is None:
                self._people(impolite=other.id, polite=me).adopt(before=self._epoch_base + 1)
        if self._lobby.agents and self._between(me, self._agent_session.host_peer) is None:
            self._with_host(me).begin()

    def heard(self, me: str) -> None:
        """Note that this person has sent something, so they are present."""
        for pair in self._of(me):
            pair.heard(me)

    def drop(self, me: str) -> None:
        """End the connections of a person who has left."""
        self._drop(me)
        self._reported = {ends: last for ends, last in self._reported.items() if me not in ends}

    def close(self) -> None:
        """End all connections, because the lobby has ended."""
        for end in list(self._pairs):
            self._drop(end)

    def negotiate(
        self,
        me: str,
        message: WebrtcOffer
        | WebrtcAnswer
        | IceCandidate
        | NegotiationNeeded
        | WebrtcStateChange
        | ConnectionReady,
    ) -> None:
        """Pass a message on to its peer. Raises SignalingError if its peer or epoch is not current."""
        to_host = message.peer == self._agent_session.host_peer
        if isinstance(message, WebrtcStateChange | ConnectionReady):
            self._report(me, message)
            return
        pair = self._between(me, message.peer)
        if pair is None:
            raise SignalingError(
                f"There is no connection to {message.peer}.",
                hint="Wait for start_webrtc_negotiation; the peer may have left.",
                code="unknown_peer",
            )
        if isinstance(message, WebrtcOffer):
            pair.offer(me, message.epoch)
            if to_host:
                self._spawn(self._answer(me, message), f"answer {me}", me, message.id)
        elif isinstance(message, WebrtcAnswer):
            pair.answer(me, message.epoch)
        elif isinstance(message, IceCandidate):
            pair.candidate(me, message.epoch)
            if to_host:
                self._agent_session.connections.add_candidate(me, message.epoch, message.data)
        else:
            pair.needed(me, message.epoch)
            if pair.state is PairState.FAILED:  # a person asks for another attempt
                for failed in self._of(me):
                    if failed.state is PairState.FAILED:
                        failed.retry()
                return
        if not to_host:
            self._relay(me, message)

    async def _answer(self, me: str, message: WebrtcOffer) -> None:
        host, epoch = self._agent_session.host_peer, message.epoch
        known = {me, *self.agent_ids()}
        tracks = {mid: who for mid, who in message.data.tracks.items() if who in known}
        pair = self._between(me, host)
        servers = pair.servers(me) if pair is not None else list(self.ice(me).servers)
        try:
            answer = await self._agent_session.connections.answer(
                me, epoch, message.data.sdp, tracks, servers
            )
        except VoicebotError as error:
            if (pair := self._between(me, host)) is not None:
                pair.fail(epoch, error.code, str(error))
            raise
        pair = self._between(me, host)
        if pair is None or pair.epoch != epoch:
            return  # meanwhile a newer epoch began or the person left
        pair.answer(host, epoch)
        data = DescriptionData(sdp=answer.sdp, tracks=dict(answer.tracks))
        self.tell(me, WebrtcAnswer(id=message.id, lobby=self._lobby.id, peer=host, epoch=epoch, data=data))

    def _report(self, me: str, message: WebrtcStateChange | ConnectionReady) -> None:
        if isinstance(message, ConnectionReady):
            if (pair := self._between(me, message.peer)) is not None:
                pair.report(me, message.epoch, "connected")
            return
        pair, data = self._between(me, message.peer), message.data
        adopting = pair is not None and pair.state is PairState.ADOPTING
        if pair is None or (pair.epoch != message.epoch and not adopting):
            return  # the connection is over
        if self._reported.get((me, message.peer)) == (message.epoch, data) and not adopting:
            return  # repeated after a resume, because the browser does not know what has arrived
        self._reported[me, message.peer] = (message.epoch, data)
        # the media plane reports connections to the agents, unless the browser's end fails before they begin
        told = message.peer == self._agent_session.host_peer and data.state != "failed"
        if self._agent_session.log is not None and not told:
            ice = _only_types(data.model_dump(include={"local", "remote", "relay"}, exclude_none=True))
            self._agent_session.log.emit(
                ConnectionState(
                    participant_id=me,
                    peer=message.peer,
                    epoch=message.epoch,
                    state=data.state,
                    ice=ice,
                    reason=_without_traffic(data.reason),
                )
            )
        code = "no_candidates" if data.reason == "no_candidates" else "ice_failed"
        pair.report(me, message.epoch, data.state, code)
        if message.peer != self._agent_session.host_peer:
            self._relay(me, message)

    def _relay(self, me: str, message: Message) -> None:
        assert message.peer is not None
        passed_on = message.model_copy(
            update={"id": None, "seq": None, "ack": None, "lobby": self._lobby.id, "peer": me}
        )
        self.tell(message.peer, passed_on)

    def on_notice(self, notice: Notice) -> None:
        """Handle a notice about this lobby's agent host, after the agent session."""
        host = self._agent_session.host_peer
        if isinstance(notice, PeerState):
            reason = f"The agents' side reports: {notice.reason}." if notice.reason else ""
            if (pair := self._between(host, notice.peer_id)) is not None:
                pair.report(host, notice.epoch, notice.state, reason=reason)
        elif isinstance(notice, MediaGone) and self._lobby.agents:
            for person in self._lobby.humans:
                self._with_host(person.id).begin()

    def agents_changed(self) -> None:
        """Renegotiate, begin or end everyone's connection to the agent host after agents came or left."""
        host, agents = self._agent_session.host_peer, self.agent_ids()
        for person in self._lobby.humans:
            if not agents:
                self._drop(host)
                self._agent_session.connections.close(person.id)
                continue
            pair = self._between(person.id, host)
            if pair is None or pair.state is PairState.FAILED:
                self._with_host(person.id).begin()
            elif pair.epoch:  # without an epoch it waits for somebody, and will begin with all agents
                data = RenegotiateRequestData(receive=agents)
                self.tell(
                    person.id,
                    RenegotiateRequest(lobby=self._lobby.id, peer=host, epoch=pair.epoch, data=data),
                )

    # ------------------------------------------------------------ the pairs (`PairOwner`)

    def agent_ids(self) -> list[str]:
        """The ids of the agents that a person receives."""
        return [agent.id for agent in self._lobby.agents]

    def on_pair(self, pair: Pair, action: Action | None) -> None:
        """See `PairOwner.on_pair`."""
        self._on_action(pair.ends, action)
        person, other = pair.ends
        if isinstance(action, Failed) and other == self._agent_session.host_peer:
            self._agent_session.connections.close(person)

    def _people(self, impolite: str, polite: str) -> Pair:
        """Return the pair of two people. The one who was there first is impolite."""
        return self._pair({impolite: "impolite", polite: "polite"}, (impolite, polite))

    def _with_host(self, person: str) -> Pair:
        """Return the pair of a person and the agent host."""
        return self._pair({person: "offerer"}, (person, self._agent_session.host_peer))

    def _pair(self, roles: dict[str, PeerRole], ends: tuple[str, str]) -> Pair:
        pair = self._between(*ends)
        if pair is None:
            negotiation = Negotiation(ends, lambda: next(self._epochs), people=tuple(roles))
            one, other = ends
            pair = self._pairs[one][other] = self._pairs[other][one] = Pair(self, negotiation, roles)
            for end in filter(self._presence.is_reconnecting, roles):
                pair.away(end)
        return pair

    def _between(self, one: str, other: str) -> Pair | None:
        return self._pairs.get(one, {}).get(other)

    def _of(self, end: str) -> list[Pair]:
        return list(self._pairs.get(end, {}).values())

    def _drop(self, end: str) -> None:
        for other, pair in self._pairs.pop(end, {}).items():
            del self._pairs[other][end]
            pair.close()


def _only_types(ice: dict[str, Any]) -> dict[str, Any]:
    """Drop what is not a candidate type, because a browser could write an address there."""
    return {name: value for name, value in ice.items() if name == "relay" or value in _CANDIDATE_TYPES}


def _without_traffic(reason: str) -> str:
    """Cut a browser's reason before anything that could be a line of SDP, a candidate or an address."""
    found = _WORDS.match(reason)
    assert found is not None
    return found[0].strip(" .,('") if found.end() < len(reason) else reason
