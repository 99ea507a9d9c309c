"""From a frame of text to what it does: parses, checks who may, and hands it to the right lobby."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from enum import Enum
from typing import Any

from voicebot.clock import Clock
from voicebot.errors import SignalingError
from voicebot.lobby.door import no_such_lobby
from voicebot.lobby.rights import Right
from voicebot.server.endpoints.services import CreateLobby
from voicebot.server.lobby.controller import ServedLobby
from voicebot.server.lobby.quotas import Maker
from voicebot.server.net.drain import Drain
from voicebot.server.net.rate_limits import Floods
from voicebot.server.net.wire_errors import error_message, failure, refusal
from voicebot.server.sessions.sessions import Browser, Seat
from voicebot.server.telemetry.telemetry import Telemetry
from voicebot.signaling import messages as m
from voicebot.signaling.frames import Malformed, read
from voicebot.signaling.turn import IcePlan


class Who(Enum):
    """Who may send a message."""

    ANYONE = "whoever has a session"
    PLACED = "who sits in the lobby, or waits at its door"
    SEATED = "who sits in the lobby"


WHO: dict[type[m.Message], Who | Right] = {
    m.Ping: Who.ANYONE,
    m.Resume: Who.ANYONE,
    m.CreateLobby: Who.ANYONE,
    m.JoinLobby: Who.ANYONE,  # the door decides
    m.LeaveLobby: Who.PLACED,
    m.IceServersRequest: Who.SEATED,
    m.ParticipantUpdate: Who.SEATED,
    m.ChatMessage: Who.SEATED,
    m.RaiseHand: Who.SEATED,
    m.Moderation: Who.SEATED,  # and each action is a right
    m.LobbyUpdate: "change_lobby",
    m.AgentCreate: "change_agents",
    m.AgentUpdate: "change_agents",
    m.AgentRemove: "change_agents",
    m.WebrtcOffer: Who.SEATED,  # and only to a peer of the same lobby, in the present epoch
    m.WebrtcAnswer: Who.SEATED,
    m.IceCandidate: Who.SEATED,
    m.NegotiationNeeded: Who.SEATED,
    m.WebrtcStateChange: Who.SEATED,
    m.ConnectionReady: Who.SEATED,
}
"""A right is of those who sit in the lobby and have it (`voicebot.lobby.rights`)."""


class Switchboard:
    """Carries out every client message. Each call handles one frame and never raises.

    `lobbies` is a live mapping of lobby id to ServedLobby, `create_lobby` makes one,
    `ice(user)` gives fresh ICE servers, `spawn(work, name)` runs a coroutine as an owned task.
    """

    def __init__(
        self,
        *,
        lobbies: Mapping[str, ServedLobby],
        create_lobby: CreateLobby,
        ice: Callable[[str], IcePlan],
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        clock: Clock,
        floods: Floods,
        telemetry: Telemetry,
        drain: Drain,
    ) -> None:
        self._lobbies, self._create_lobby = lobbies, create_lobby
        self._ice, self._spawn, self._clock, self._floods = ice, spawn, clock, floods
        self._telemetry, self._drain = telemetry, drain

    def receive(self, browser: Browser, frame: str) -> None:
        """Carry out one text frame; whatever is wrong with it is answered by `error`."""
        try:
            message = read(frame)
        except Malformed as error:
            self._telemetry.invalid()
            browser.send_unstamped(error_message(error, error.id))
            return
        try:
            with self._telemetry.receiving(message.type):
                self._carry_out(browser, message)
        except Exception as error:
            what = f"A {message.type} of session {browser.session.handle}"
            browser.send(refusal(error, message, what))

    def _carry_out(self, browser: Browser, message: m.ClientMessage) -> None:
        if message.ack is not None:
            browser.session.acknowledge(message.ack)
        if browser.seat is not None:
            browser.seat.lobby.negotiations.heard(browser.seat.participant_id)
        if isinstance(message, m.Ping):
            browser.send_unstamped(m.Pong(id=message.id))
            return
        if isinstance(message, m.Resume):
            self._resume(browser, message)
            return
        browser.session.go_live()
        if not browser.session.is_new(message.id, self._clock()):
            return  # sent again after a reconnect, carried out already
        self._check(browser, message)
        match message:
            case m.CreateLobby():
                self._drain.admit()
                self._floods.lobby(browser.session.handle, browser.address)
                self._spawn(self._create(browser, message), "create lobby")
            case m.JoinLobby():
                if browser.place is None:
                    self._drain.admit()
                self._lobby(message.lobby).join(browser, message)
            case m.LeaveLobby():
                place = browser.place
                assert place is not None
                place.leave(browser)
            case m.IceServersRequest():
                plan = self._ice(_seat(browser).participant_id)
                data = m.IceServersData(ice_servers=list(plan.servers), expires_s=plan.expires_s)
                browser.send(m.IceServers(id=message.id, data=data))
            case _:
                self._in_lobby(browser, _seat(browser), message)

    def _check(self, browser: Browser, message: m.ClientMessage) -> None:
        """Whether this browser may send this at all, here and now. Raises SignalingError."""
        who = WHO[type(message)]
        if who is Who.ANYONE:
            return
        place = browser.place if who is Who.PLACED else _seat(browser).lobby
        if place is None:
            raise _not_joined("You are in no lobby.")
        if message.lobby is not None and message.lobby != place.lobby.id:
            raise _not_joined("You are not in that lobby.")
        if not isinstance(who, Who):
            place.check(who, browser)

    def _in_lobby(self, browser: Browser, seat: Seat, message: m.ClientMessage) -> None:
        lobby, me = seat.lobby, seat.participant_id
        match message:
            case m.LobbyUpdate():
                lobby.update(browser, message.data)
            case m.ParticipantUpdate():
                lobby.participant_update(me, message)
            case m.AgentCreate():
                self._drain.admit()
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
                raise SignalingError(f"{message.type} is not understood here.")

    def _resume(self, browser: Browser, message: m.Resume) -> None:
        if browser.session.live:
            raise SignalingError(
                "This socket goes on already.", hint="resume is the first message after a reconnect."
            )
        replayed = browser.replay(message.data.last_seq)
        if browser.seat is None:
            self._telemetry.resumed("refused")
        else:
            self._telemetry.resumed("replayed" if replayed else "state")
        if browser.place is not None:
            browser.place.resumed(browser, replayed=replayed)
        else:
            raise SignalingError(
                "Your seat in the lobby is gone.",
                hint="Join the lobby again.",
                code="not_resumable",
            )

    async def _create(self, browser: Browser, message: m.CreateLobby) -> None:
        try:
            wish = message.data
            maker = Maker(browser.session.handle, browser.address)
            served = await self._create_lobby(wish.name, wish.slug, wish.settings, maker)
            browser.send(m.LobbyCreated(id=message.id, data=served.lobby.info()))
        except Exception as error:
            browser.send(failure(error, message.id, "Making a lobby"))

    def _lobby(self, id: str) -> ServedLobby:
        lobby = self._lobbies.get(id)
        if lobby is None:
            raise no_such_lobby()
        return lobby


def _seat(browser: Browser) -> Seat:
    if browser.seat is None:
        raise _not_joined("You are in no lobby.")
    return browser.seat


def _not_joined(message: str) -> SignalingError:
    return SignalingError(message, hint="Join it with join_lobby first.", code="not_joined")
