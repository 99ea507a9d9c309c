"""The negotiations of one lobby: who connects to whom, and what passes between the two ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from voicebot.clock import Clock
from voicebot.errors import VoicebotError
from voicebot.events import ConnectionState
from voicebot.media.base import MediaGone, Notice, PeerState
from voicebot.server.lobby.peers import Peers
from voicebot.server.lobby.ports import AgentSessionPort
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
from voicebot.signaling.negotiation import Action, PairState
from voicebot.signaling.turn import IcePlan

_CANDIDATE_TYPES = {"host", "srflx", "prflx", "relay"}
_WORDS = re.compile(r"[A-Za-z_ ,.'()-]*")


class Spawn(Protocol):
    """Runs work as an owned task; what goes wrong is told to `me` as the answer to message `id`."""

    def __call__(self, work: Coroutine[Any, Any, None], name: str, me: str, id: str | None) -> None: ...


class Negotiations:
    """Between the people of a lobby, and between each of them and its agent host.

    `ice(user)` gives fresh ICE servers, `tell(person, message)` never waits, `reconnecting(person)`
    says whether a person's socket is lost. Epochs are larger than `epoch_base`: a server that was
    restarted must begin above those that its predecessor gave.
    """

    def __init__(
        self,
        agent_session: AgentSessionPort,
        *,
        clock: Clock,
        ice: Callable[[str], IcePlan],
        tell: Callable[[str, Message], None],
        spawn: Spawn,
        reconnecting: Callable[[str], bool],
        epoch_base: int = 0,
    ) -> None:
        self._agent_session, self._lobby = agent_session, agent_session.lobby
        self._tell, self._spawn = tell, spawn
        self._reported: dict[tuple[str, str], tuple[int, WebrtcStateChangeData]] = {}
        self._peers = Peers(
            self._lobby.id,
            clock=clock,
            send=tell,
            ice=ice,
            agents=self._agents,
            away=reconnecting,
            abandoned=agent_session.close_peer,
            epoch_base=epoch_base,
        )

    def watch(self, on_action: Callable[[tuple[str, str], Action | None], None]) -> None:
        """Have `on_action(ends, action)` called with all that happens; None: the pair is gone."""
        self._peers.on_action = on_action

    def begin(self, me: str) -> None:
        """Someone has come, or come again: connect them (anew) to everyone who is here."""
        self._peers.present(me)
        for other in self._lobby.humans:
            if other.id != me:
                self._peers.connect_people(impolite=other.id, polite=me)
        if self._lobby.agents:
            self._peers.connect_host(me, self._agent_session.host_peer)

    def away(self, me: str) -> None:
        """Someone's socket is lost: their connections stay, and what fails meanwhile waits for them."""
        self._peers.away(me)

    def back(self, me: str) -> None:
        """Someone resumes on a new socket, their page as it was.

        What had waited for them or had been given up begins. Connections of which nothing is known,
        since the server was restarted, go on between people and begin with the agents.
        """
        self._peers.back(me)
        for other in self._lobby.humans:
            if other.id != me and self._peers.between(me, other.id) is None:
                self._peers.adopt_people(impolite=other.id, polite=me)
        if self._lobby.agents and self._peers.between(me, self._agent_session.host_peer) is None:
            self._peers.connect_host(me, self._agent_session.host_peer)

    def heard(self, me: str) -> None:
        """A message has come from this person: whatever it is, they are there."""
        self._peers.heard(me)

    def drop(self, me: str) -> None:
        """Someone has gone."""
        self._peers.drop(me)
        self._reported = {ends: last for ends, last in self._reported.items() if me not in ends}

    def close(self) -> None:
        """The lobby is gone."""
        self._peers.close()

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
        """Check that the peer and epoch are current, then pass it on. Raises SignalingError."""
        to_host = message.peer == self._agent_session.host_peer
        if isinstance(message, WebrtcStateChange | ConnectionReady):
            self._report(me, message)
            return
        negotiation, now = self._peers.get(me, message.peer), self._peers.now()
        if isinstance(message, WebrtcOffer):
            negotiation.offer(me, message.epoch, now)
            if to_host:
                self._spawn(self._answer(me, message), f"answer {me}", me, message.id)
        elif isinstance(message, WebrtcAnswer):
            negotiation.answer(me, message.epoch, now)
        elif isinstance(message, IceCandidate):
            negotiation.candidate(me, message.epoch)
            if to_host:
                self._agent_session.add_candidate(me, message.epoch, message.data)
        else:
            negotiation.needed(me, message.epoch)
            if negotiation.state is PairState.FAILED:
                self._peers.retry(me)  # a person asks for another attempt
                return
        self._peers.arm()
        if not to_host:
            self._relay(me, message)

    async def _answer(self, me: str, message: WebrtcOffer) -> None:
        host, epoch = self._agent_session.host_peer, message.epoch
        known = {me, *self._agents()}
        tracks = {mid: who for mid, who in message.data.tracks.items() if who in known}
        servers = self._peers.servers(me, host)
        try:
            answer = await self._agent_session.answer(me, epoch, message.data.sdp, tracks, servers)
        except VoicebotError as error:
            self._peers.fail(me, host, epoch, error.code, str(error))
            raise
        negotiation = self._peers.between(me, host)
        if negotiation is None or negotiation.epoch != epoch:
            return  # meanwhile a newer epoch began or the person left
        negotiation.answer(host, epoch, self._peers.now())
        self._peers.arm()
        data = DescriptionData(sdp=answer.sdp, tracks=dict(answer.tracks))
        self._tell(me, WebrtcAnswer(id=message.id, lobby=self._lobby.id, peer=host, epoch=epoch, data=data))

    def _report(self, me: str, message: WebrtcStateChange | ConnectionReady) -> None:
        if isinstance(message, ConnectionReady):
            self._peers.report(me, message.peer, message.epoch, "connected")
            return
        negotiation, data = self._peers.between(me, message.peer), message.data
        adopting = negotiation is not None and negotiation.state is PairState.ADOPTING
        if negotiation is None or (negotiation.epoch != message.epoch and not adopting):
            return  # of a connection that is over
        if self._reported.get((me, message.peer)) == (message.epoch, data) and not adopting:
            return  # said again after a resume, as nobody knows what has arrived
        self._reported[me, message.peer] = (message.epoch, data)
        # the media plane reports its own end, except when the browser's fails before it begins
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
        self._peers.report(me, message.peer, message.epoch, data.state, code)
        if message.peer != self._agent_session.host_peer:
            self._relay(me, message)

    def _relay(self, me: str, message: Message) -> None:
        assert message.peer is not None
        passed_on = message.model_copy(
            update={"id": None, "seq": None, "ack": None, "lobby": self._lobby.id, "peer": me}
        )
        self._tell(message.peer, passed_on)

    def on_notice(self, notice: Notice) -> None:
        """A notice of the media plane for this lobby's host, after the room has had it."""
        host = self._agent_session.host_peer
        if isinstance(notice, PeerState):
            reason = f"The agents' side says: {notice.reason}." if notice.reason else ""
            self._peers.report(host, notice.peer_id, notice.epoch, notice.state, reason=reason)
        elif isinstance(notice, MediaGone) and self._lobby.agents:
            for person in self._lobby.humans:
                self._peers.connect_host(person.id, host)

    def agents_changed(self) -> None:
        """The voices to be heard changed: renegotiate, or begin or end the host connections."""
        host, agents = self._agent_session.host_peer, self._agents()
        for person in self._lobby.humans:
            if not agents:
                self._peers.drop(host)
                self._agent_session.close_peer(person.id)
                continue
            negotiation = self._peers.between(person.id, host)
            if negotiation is None or negotiation.state is PairState.FAILED:
                self._peers.connect_host(person.id, host)
            elif negotiation.epoch:  # one that waits for somebody to come back begins with all agents
                data = RenegotiateRequestData(receive=agents)
                self._tell(
                    person.id,
                    RenegotiateRequest(lobby=self._lobby.id, peer=host, epoch=negotiation.epoch, data=data),
                )

    def _agents(self) -> list[str]:
        return [agent.id for agent in self._lobby.agents]


def _only_types(ice: dict[str, Any]) -> dict[str, Any]:
    """A browser could write anything for the type of a candidate, addresses too: those are not kept."""
    return {name: value for name, value in ice.items() if name == "relay" or value in _CANDIDATE_TYPES}


def _without_traffic(reason: str) -> str:
    """What a browser says went wrong, up to what could be a line of SDP, a candidate or an address."""
    found = _WORDS.match(reason)
    assert found is not None
    return found[0].strip(" .,('") if found.end() < len(reason) else reason
