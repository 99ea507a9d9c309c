"""A lobby as browsers meet it: who sits where, and what they are told."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from voicebot.clock import Clock
from voicebot.errors import SignalingError, VoicebotError
from voicebot.events import Event
from voicebot.lobby.lobby import CameraLimit, Joined, Left, LobbyEvent, Updated
from voicebot.server.captions import Captions
from voicebot.server.limits import Limits
from voicebot.server.negotiations import Negotiations
from voicebot.server.ports import RoomPort
from voicebot.server.sessions import Browser, Seat
from voicebot.signaling.messages import (
    AgentCreate,
    AgentCreated,
    AgentRemove,
    AgentRemoved,
    AgentStateChanged,
    AgentStateData,
    ChatData,
    ChatMessage,
    Error,
    ErrorData,
    JoinLobby,
    LobbyDestroyed,
    LobbyDestroyedData,
    LobbyJoined,
    LobbyJoinedData,
    LobbyState,
    LobbyStateData,
    Message,
    ParticipantData,
    ParticipantInfo,
    ParticipantUpdate,
    ParticipantUpdated,
    RaiseHand,
    RaiseHandData,
    UserJoined,
    UserLeft,
    UserLeftData,
)
from voicebot.signaling.turn import IcePlan

logger = logging.getLogger(__name__)


class ServedLobby:
    """One room and the browsers in it. Everything runs on one loop and never waits for a socket.

    `ice(user)` gives fresh ICE servers for an opaque user name.
    """

    def __init__(
        self, room: RoomPort, *, clock: Clock, ice: Callable[[str], IcePlan], limits: Limits
    ) -> None:
        self.room = room
        self.lobby = room.lobby
        self._ice = ice
        self._limits = limits
        self._browsers: dict[str, Browser] = {}
        self._graces: dict[str, asyncio.TimerHandle] = {}
        self._unannounced: dict[str, asyncio.TimerHandle] = {}
        """Who is lost for so short that nobody has been told."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._captions = Captions(self.lobby)
        self._state_due = False
        self._known = dict(self.lobby.participants)
        self.negotiations = Negotiations(
            room,
            clock=clock,
            ice=ice,
            tell=self._tell,
            spawn=self._spawn,
            reconnecting=self._graces.__contains__,
        )
        """The WebRTC connections of those who are here."""
        self._unsubscribe = [self.lobby.subscribe(self._on_lobby), room.subscribe(self._on_event)]

    async def close(self, reason: str = "") -> None:
        """Tell everyone that the lobby is gone, and end what runs for it."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        for timer in (*self._graces.values(), *self._unannounced.values()):
            timer.cancel()
        self.negotiations.close()
        self._broadcast(LobbyDestroyed(lobby=self.lobby.id, data=LobbyDestroyedData(reason=reason)))
        for browser in self._browsers.values():
            browser.seat = None
        self._browsers.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------ coming and going

    def join(self, browser: Browser, message: JoinLobby) -> None:
        """Seat a browser, or let it come back to its seat. Raises LobbyFull, SignalingError.

        With one camera too many it is seated with the camera off, and told so.
        """
        if browser.seat is not None and browser.seat.lobby is not self:
            browser.seat.lobby.leave(browser)
        wish = {"name": message.data.name, "muted": message.data.muted, "camera": message.data.camera}
        too_many: CameraLimit | None = None
        try:
            me = self._sit(browser, wish)
        except CameraLimit as error:
            too_many = error
            me = self._sit(browser, wish | {"camera": False})
        plan = self._ice(me)
        browser.send(
            LobbyJoined(
                id=message.id,
                lobby=self.lobby.id,
                data=LobbyJoinedData(
                    participant_id=me, ice_servers=list(plan.servers), ice_expires_s=plan.expires_s
                ),
            )
        )
        browser.send(self.state())
        # after the state that is announced to all, which replaces this one where both still wait
        asyncio.get_running_loop().call_soon(self._send_captions, browser)
        if too_many is not None:
            browser.send(error_message(too_many, message.id))
        self.negotiations.begin(me)

    def _sit(self, browser: Browser, wish: dict[str, Any]) -> str:
        """Returns the participant id of the seat."""
        if browser.seat is not None:
            me = browser.seat.participant_id
            self.room.update(me, presence="present", **wish)
            self._end_grace(me)
            return me
        info = ParticipantInfo(id=f"p-{secrets.token_hex(8)}", kind="human", **wish)
        self.room.join(info)
        browser.seat = Seat(self, info.id)
        self._browsers[info.id] = browser
        return info.id

    def leave(self, browser: Browser) -> None:
        """A browser leaves its seat for good."""
        if browser.seat is not None and browser.seat.lobby is self:
            self._remove(browser.seat.participant_id, "left")

    def lost(self, browser: Browser, closed_by_browser: bool = False) -> None:
        """A seated browser has no socket, or a new one that has not spoken: its grace begins (anew).

        The others are told when it lasts: a reload or a short cut is not even a flicker.
        """
        assert browser.seat is not None
        me = browser.seat.participant_id
        grace = self._limits.presence_grace
        if closed_by_browser:
            grace = min(grace, self._limits.closed_grace)
        loop = asyncio.get_running_loop()
        if me in self._graces:
            self._graces[me].cancel()
        elif self.lobby.participants[me].presence == "present":
            self._unannounced[me] = loop.call_later(
                self._limits.reconnecting_after, self._announce_reconnecting, me
            )
        self._graces[me] = loop.call_later(grace, self._remove, me, "lost")

    def _announce_reconnecting(self, me: str) -> None:
        self._unannounced.pop(me, None)
        if me in self._graces:
            self.room.update(me, presence="reconnecting")

    def resumed(self, browser: Browser, replayed: bool) -> None:
        """A browser is back on a new socket with its page as it was."""
        assert browser.seat is not None
        me = browser.seat.participant_id
        self._end_grace(me)
        self.room.update(me, presence="present")
        if not replayed:
            browser.send(self.state())
            self._send_captions(browser)
        self.negotiations.retry(me)

    def state(self) -> LobbyState:
        """The whole lobby as of now."""
        return LobbyState(
            lobby=self.lobby.id,
            data=LobbyStateData(
                lobby=self.lobby.info(),
                participants=list(self.lobby.participants.values()),
                version=self.lobby.version,
            ),
        )

    def _send_captions(self, browser: Browser) -> None:
        """What was said so far, to who has just come (back)."""
        seated = browser.seat is not None and browser.seat.lobby is self
        if seated and self.room.log is not None:
            for caption in self._captions.so_far(self.room.log.conversation_id):
                browser.send(caption)

    def _remove(self, participant_id: str, reason: str) -> None:
        self._end_grace(participant_id)
        browser = self._browsers.pop(participant_id, None)
        if browser is not None:
            browser.seat = None
        self.negotiations.drop(participant_id)
        self.room.leave(participant_id, "lost" if reason == "lost" else "left")

    def _end_grace(self, participant_id: str) -> None:
        for timers in (self._graces, self._unannounced):
            timer = timers.pop(participant_id, None)
            if timer is not None:
                timer.cancel()

    # ------------------------------------------------------------ what a seated browser sends

    def participant_update(self, me: str, message: ParticipantUpdate) -> None:
        changes = message.data.model_dump(exclude_none=True)
        self.room.update(me, **changes)

    def chat(self, me: str, message: ChatMessage) -> None:
        data = ChatData(text=message.data.text, participant_id=me)
        self._broadcast(ChatMessage(lobby=self.lobby.id, data=data))
        self.room.chat(me, message.data.text)

    def raise_hand(self, me: str, message: RaiseHand) -> None:
        self.room.update(me, hand_raised=message.data.raised)
        data = RaiseHandData(raised=message.data.raised, participant_id=me)
        self._broadcast(RaiseHand(lobby=self.lobby.id, data=data))

    def agent_create(self, me: str, message: AgentCreate) -> None:
        self._spawn(self._create(me, message), f"create agent in {self.lobby.id}", me, message.id)

    def agent_remove(self, me: str, message: AgentRemove) -> None:
        agent_id = message.data.participant_id
        self.check_agent(agent_id)
        self._spawn(self.room.remove(agent_id), f"remove {agent_id}", me, message.id)

    def check_agent(self, agent_id: str) -> ParticipantInfo:
        """Raises SignalingError (`unknown_agent`)."""
        info = self.lobby.participants.get(agent_id)
        if info is None or info.kind != "agent":
            raise SignalingError(
                f"There is no agent {agent_id} in this lobby.",
                hint="lobby_state lists those there are.",
                code="unknown_agent",
            )
        return info

    async def _create(self, me: str, message: AgentCreate) -> None:
        wish = message.data
        agent = await self.room.spawn(wish.description, name=wish.name, voice=wish.voice)
        data = ParticipantData(participant=self.lobby.participants[agent.id])
        self._tell(me, AgentCreated(id=message.id, lobby=self.lobby.id, data=data))

    # ------------------------------------------------------------ what everyone is told

    def _on_lobby(self, event: LobbyEvent) -> None:
        lobby = self.lobby.id
        match event:
            case Joined(info) if info.kind == "human":
                self._broadcast(UserJoined(lobby=lobby, data=ParticipantData(participant=info)), but=info.id)
            case Joined(info):
                self._broadcast(AgentCreated(lobby=lobby, data=ParticipantData(participant=info)))
                self.negotiations.agents_changed()
            case Updated(info) if self._only_state_changed(info):
                assert info.state is not None
                state = AgentStateData(participant_id=info.id, state=info.state)
                self._broadcast(AgentStateChanged(lobby=lobby, data=state))
            case Updated(info):
                self._broadcast(ParticipantUpdated(lobby=lobby, data=ParticipantData(participant=info)))
            case Left(id, reason) if id in self._known and self._known[id].kind == "agent":
                data = UserLeftData(participant_id=id, reason=reason)
                self._broadcast(AgentRemoved(lobby=lobby, data=data))
                self.negotiations.agents_changed()
            case Left(id, reason):
                data = UserLeftData(participant_id=id, reason=reason)
                self._broadcast(UserLeft(lobby=lobby, data=data))
        if isinstance(event, Updated) and event.info.id in self._browsers:
            self._browsers[event.info.id].seat_changed()
        self._known = dict(self.lobby.participants)
        if isinstance(event, Joined | Left):
            self._announce_state()

    def _only_state_changed(self, info: ParticipantInfo) -> bool:
        old = self._known.get(info.id)
        return (
            old is not None
            and info.state is not None
            and old.model_copy(update={"state": info.state}) == info
        )

    def _announce_state(self) -> None:
        """lobby_state to everyone, once for all changes of this moment."""
        if not self._state_due:
            self._state_due = True
            asyncio.get_running_loop().call_soon(self._send_state)

    def _send_state(self) -> None:
        self._state_due = False
        self._broadcast(self.state())

    def _on_event(self, event: Event) -> None:
        message = self._captions.message(event)
        if message is not None:
            self._broadcast(message)

    def _tell(self, person: str, message: Message) -> None:
        browser = self._browsers.get(person)
        if browser is not None:
            browser.send(message)

    def _broadcast(self, message: Message, but: str | None = None) -> None:
        for person, browser in list(self._browsers.items()):
            if person != but:
                browser.send(message)

    # ------------------------------------------------------------ work that takes a while

    def _spawn(self, work: Coroutine[Any, Any, None], name: str, me: str, id: str | None) -> None:
        """Run it as an owned task; what goes wrong is told to the person who asked."""
        task = asyncio.get_running_loop().create_task(self._guard(work, me, id), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None], me: str, id: str | None) -> None:
        try:
            await work
        except VoicebotError as error:
            self._tell(me, error_message(error, id))
        except Exception as error:
            logger.exception("A task of lobby %s failed", self.lobby.id)
            self._tell(me, error_message(error, id))


def error_message(error: Exception, id: str | None) -> Error:
    """What its author is told; an unexpected error's text stays in the server's log."""
    if not isinstance(error, VoicebotError):
        error = VoicebotError(
            "The server could not do this.", hint="Its log says why; everything else goes on."
        )
    data = ErrorData(code=error.code, message=error.message, hint=error.hint, retryable=error.retryable)
    return Error(id=id, data=data)
