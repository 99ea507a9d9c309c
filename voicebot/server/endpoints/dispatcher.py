"""Parses client messages, checks permissions, and carries them out or passes them to their lobby."""

from __future__ import annotations

from enum import Enum

from voicebot.errors import SignalingError
from voicebot.lobby.rights import Right
from voicebot.server.endpoints.services import Services
from voicebot.server.net.quotas import Maker
from voicebot.server.net.wire_errors import error_message, failure, refusal
from voicebot.server.sessions.client_session import ClientSession, Seat
from voicebot.signaling import messages as m
from voicebot.signaling.frames import Malformed, read


class Who(Enum):
    """Who may send a message."""

    ANYONE = "anyone with a session"
    PLACED = "anyone who has a seat in the lobby or waits at its door"
    SEATED = "anyone who has a seat in the lobby"


PERMISSIONS: dict[type[m.Message], Who | Right] = {
    m.Ping: Who.ANYONE,
    m.Resume: Who.ANYONE,
    m.CreateLobby: Who.ANYONE,
    m.JoinLobby: Who.ANYONE,  # the lobby's door decides
    m.LeaveLobby: Who.PLACED,
    m.IceServersRequest: Who.SEATED,
    m.ParticipantUpdate: Who.SEATED,
    m.ChatMessage: Who.SEATED,
    m.RaiseHand: Who.SEATED,
    m.Moderation: Who.SEATED,  # each action needs a right
    m.LobbyUpdate: "change_lobby",
    m.AgentCreate: "change_agents",
    m.AgentUpdate: "change_agents",
    m.AgentRemove: "change_agents",
    m.WebrtcOffer: Who.SEATED,  # only to a peer of the same lobby, in the current epoch
    m.WebrtcAnswer: Who.SEATED,
    m.IceCandidate: Who.SEATED,
    m.NegotiationNeeded: Who.SEATED,
    m.WebrtcStateChange: Who.SEATED,
    m.ConnectionReady: Who.SEATED,
}
"""Who may send each message. A right (`voicebot.lobby.rights`) needs a seat, too."""


class Dispatcher:
    """Carries out client messages."""

    def __init__(self, services: Services) -> None:
        self._services, self._metrics = services, services.telemetry.metrics

    def receive(self, client: ClientSession, frame: str) -> None:
        """Carry out one text frame. Never raises: the client gets any error as a message."""
        try:
            message = read(frame)
        except Malformed as error:
            self._metrics.received.labels("invalid").inc()
            client.send_unstamped(error_message(error, error.id))
            return
        try:
            with self._services.telemetry.receiving(message.type):
                self._carry_out(client, message)
        except Exception as error:
            what = f"A {message.type} of session {client.session.handle}"
            client.send(refusal(error, message, what))

    def _carry_out(self, client: ClientSession, message: m.ClientMessage) -> None:
        if message.ack is not None:
            client.session.acknowledge(message.ack)
        if client.seat is not None:
            self._services.lobbies.find(client.seat.place.lobby.id).negotiations.heard(
                client.seat.participant_id
            )
        if isinstance(message, m.Ping):
            client.send_unstamped(m.Pong(id=message.id))
            return
        if isinstance(message, m.Resume):
            self._resume(client, message)
            return
        client.session.go_live()
        if not client.session.is_new(message.id, self._services.clock()):
            return  # sent again after a reconnect, and already carried out
        self._check(client, message)
        match message:
            case m.CreateLobby():
                self._services.drain.admit()
                self._services.rate_limits.lobby(client.session.handle, client.address)
                self._services.spawn(self._create(client, message), "create lobby")
            case m.JoinLobby():
                if client.place is None:
                    self._services.drain.admit()
                self._services.lobbies.find(message.lobby).join(client, message)
            case m.LeaveLobby():
                place = client.place
                assert place is not None
                place.leave(client)
            case m.IceServersRequest():
                plan = self._services.ice(_seat(client).participant_id)
                data = m.IceServersData(ice_servers=list(plan.servers), expires_s=plan.expires_s)
                client.send(m.IceServers(id=message.id, data=data))
            case _:
                self._in_lobby(client, _seat(client), message)

    def _check(self, client: ClientSession, message: m.ClientMessage) -> None:
        """Raise SignalingError unless the client may send this message now."""
        who = PERMISSIONS[type(message)]
        if who is Who.ANYONE:
            return
        place = client.place if who is Who.PLACED else _seat(client).place
        if place is None:
            raise _not_joined("You are in no lobby.")
        if message.lobby is not None and message.lobby != place.lobby.id:
            raise _not_joined("You are not in that lobby.")
        if not isinstance(who, Who):
            place.check(who, client)

    def _in_lobby(self, client: ClientSession, seat: Seat, message: m.ClientMessage) -> None:
        lobby, me = self._services.lobbies.find(seat.place.lobby.id), seat.participant_id
        match message:
            case m.LobbyUpdate():
                lobby.update(client, message.data)
            case m.ParticipantUpdate():
                lobby.participant_update(me, message)
            case m.AgentCreate():
                self._services.drain.admit()
                lobby.agents.create(me, message)
            case m.AgentUpdate():
                lobby.agents.update(me, message)
            case m.AgentRemove():
                lobby.agents.remove(me, message)
            case m.ChatMessage():
                lobby.chat(me, message)
            case m.RaiseHand():
                lobby.raise_hand(me, message)
            case m.Moderation():
                lobby.moderator.carry_out(me, message)
            case (
                m.WebrtcOffer()
                | m.WebrtcAnswer()
                | m.IceCandidate()
                | m.NegotiationNeeded()
                | m.WebrtcStateChange()
                | m.ConnectionReady()
            ):
                lobby.negotiations.negotiate(me, message)
            case _:
                raise SignalingError(
                    f"The server does not handle {message.type}.",
                    hint="The protocol lists what a browser may send.",
                )

    def _resume(self, client: ClientSession, message: m.Resume) -> None:
        if client.session.live:
            raise SignalingError(
                "This socket is already in use.", hint="Send resume as the first message after a reconnect."
            )
        replayed = client.replay(message.data.last_seq)
        outcome = "refused" if client.seat is None else "replayed" if replayed else "state"
        self._metrics.resumes.labels(outcome).inc()
        if client.place is not None:
            client.place.resumed(client, replayed=replayed)
        else:
            raise SignalingError(
                "Your seat in the lobby is gone.",
                hint="Join the lobby again.",
                code="not_resumable",
            )

    async def _create(self, client: ClientSession, message: m.CreateLobby) -> None:
        try:
            maker = Maker(client.session.handle, client.address)
            controller = await self._services.lobbies.create_for_client(message.data, maker)
            client.send(m.LobbyCreated(id=message.id, data=controller.lobby.info()))
        except Exception as error:
            client.send(failure(error, message.id, "Creating a lobby"))


def _seat(client: ClientSession) -> Seat:
    if client.seat is None:
        raise _not_joined("You are in no lobby.")
    return client.seat


def _not_joined(message: str) -> SignalingError:
    return SignalingError(message, hint="Join it with join_lobby first.", code="not_joined")
