"""A lobby as browsers meet it: who sits where, and what they are told."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from voicebot.agent.session import AgentSession
from voicebot.clock import Clock
from voicebot.conversation.notices import WORDS
from voicebot.errors import VoicebotError
from voicebot.events import ErrorEvent, Event
from voicebot.lobby.capacity import CameraLimit
from voicebot.lobby.door import Door
from voicebot.lobby.lobby import Joined, LeaveReason, LobbyEvent, Updated
from voicebot.lobby.moderation import ReportLimit
from voicebot.lobby.names import clean_name
from voicebot.lobby.rights import Right, Standing, check, lasts
from voicebot.server.lobby.agents import AgentCommands
from voicebot.server.lobby.announcements import Announcements
from voicebot.server.lobby.captions import Captions
from voicebot.server.lobby.moderator import Moderator
from voicebot.server.lobby.negotiations import Negotiations
from voicebot.server.lobby.persistence import LobbyStore
from voicebot.server.lobby.presence import Presence
from voicebot.server.lobby.waiting_room import WaitingRoom
from voicebot.server.net.limits import Limits
from voicebot.server.net.wire_errors import error_message, failure
from voicebot.server.sessions.client_session import ClientSession, Seat
from voicebot.signaling.messages import (
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
    LobbyUpdateData,
    Message,
    ParticipantInfo,
    ParticipantUpdate,
    RaiseHand,
    RaiseHandData,
    UserLeft,
    UserLeftData,
)
from voicebot.signaling.turn import IcePlan
from voicebot.signaling.written import write
from voicebot.store.base import AgentRecord, BanRecord, LobbyRecord, SeatRecord

logger = logging.getLogger(__name__)


class LobbyController:
    """One lobby and the clients in it. Everything runs on one loop and never waits for a socket.

    `ice(user)` gives fresh ICE servers for an opaque user name. `record` and `bans` come from the store;
    the lobby already has the record's name, settings and version. Epochs are larger than `epoch_base`.
    """

    def __init__(
        self,
        agent_session: AgentSession,
        *,
        clock: Clock,
        ice: Callable[[str], IcePlan],
        limits: Limits,
        store: LobbyStore,
        record: LobbyRecord,
        bans: Sequence[BanRecord],
        reports: ReportLimit,
        epoch_base: int,
    ) -> None:
        self.agent_session = agent_session
        self.lobby = agent_session.lobby
        self._ice, self._clock = ice, clock
        self._limits = limits
        self._store = store
        self.closes_when_empty = record.closes_when_empty
        """Made in a browser, for as long as somebody is there."""
        self.created = record.created or time.time()
        """Unix seconds."""
        self._returning = list(record.agents)
        """Agents that have not come back yet; they stay in the record."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._captions = Captions(self.lobby)
        self._closed = False
        self.presence = Presence(
            reconnecting=lambda me: self.agent_session.update(me, presence="reconnecting"),
            lost=lambda me: self._remove(me, "lost"),
        )
        self.door = Door(
            self.lobby,
            hosts=record.hosts,
            admitted=record.admitted,
            banned=[ban.handle for ban in bans],
        )
        self.waiting_room = WaitingRoom(
            self.lobby, self.door, clock=clock, enter=self._enter, tell_hosts=self._tell_hosts
        )
        self.negotiations = Negotiations(
            agent_session,
            clock=clock,
            ice=ice,
            tell=self._tell,
            spawn=self._spawn,
            reconnecting=self.presence.reconnecting,
            epoch_base=epoch_base,
        )
        """The WebRTC connections of those who are here."""
        self.agents = AgentCommands(agent_session, tell=self._tell, spawn=self._spawn)
        self.moderator = Moderator(
            agent_session,
            self.door,
            self.waiting_room,
            self.presence,
            store=self._store,
            changed=self._changed,
            tell=self._tell,
            remove=self._expel,
            reports=reports,
            clock=clock,
            bans=bans,
        )
        self._announcements = Announcements(self.lobby, self._broadcast, self.negotiations.agents_changed)
        self._unsubscribe = [self.lobby.subscribe(self._on_lobby), agent_session.subscribe(self._on_event)]

    async def close(self, reason: str = "", *, for_good: bool = True) -> None:
        """End what runs for it. `for_good`: everyone is told that the lobby is gone; else it goes on with
        the next server, and so do the seats."""
        self._closed = True
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self.waiting_room.close(tell=for_good)
        self.negotiations.close()
        if for_good:
            self._broadcast(LobbyDestroyed(lobby=self.lobby.id, data=LobbyDestroyedData(reason=reason)))
        for client in self.presence.close():
            client.seat = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------ what is kept of it

    def record(self) -> LobbyRecord:
        """All of it that outlives the process, as of now; its seats are kept with the sessions."""
        here = self.agent_session.agent_records()
        returning = [agent for agent in self._returning if agent.id not in {one.id for one in here}]
        name, settings = self.moderator.lasting
        return LobbyRecord(
            id=self.lobby.id,
            name=name,
            version=self.lobby.version,
            settings=settings,
            hosts=tuple(sorted(self.door.hosts)),
            admitted=tuple(sorted(self.door.admitted)),
            agents=(*here, *returning),
            closes_when_empty=self.closes_when_empty,
            created=self.created,
        )

    async def restore_agents(self) -> None:
        """Let the agents of the record come back, those that can; what is wrong with one is logged."""
        await asyncio.gather(*(self._restore_agent(record) for record in self._returning))
        self._changed()

    async def _restore_agent(self, record: AgentRecord) -> None:
        if self._closed:
            return
        try:
            await self.agent_session.restore(record)
        except Exception as error:  # the others come back all the same
            logger.warning("Agent %s of lobby %s does not come back: %s", record.id, self.lobby.id, error)
        self._returning.remove(record)

    def reseat(self, seats: Sequence[tuple[ClientSession, SeatRecord]]) -> None:
        """Give browsers their seats back, in a lobby where nobody sits: they count as reconnecting, and
        have their grace from now to come. No connection is begun."""
        for client, record in sorted(seats, key=lambda seat: seat[1].role != "host"):
            if client.seat is not None:  # taken since
                continue
            info = ParticipantInfo.model_validate(
                {
                    "id": record.participant_id,
                    "name": record.name,
                    "kind": "human",
                    "role": record.role,
                    "owner": self._owns(client),
                    "presence": "reconnecting",
                    "muted": record.muted,
                    "camera": record.camera,
                }
            )
            try:
                self.agent_session.join(info)
            except VoicebotError as error:
                logger.warning("%s does not get the seat in %s back: %s", info.id, self.lobby.id, error)
                continue
            client.seat = Seat(self, info.id)
            self.presence.take(info.id, client)
            self.presence.keep(info.id, self._limits.presence_grace)

    # ------------------------------------------------------------ coming and going

    def join(self, client: ClientSession, message: JoinLobby) -> None:
        """Seat a browser, let it come back to its seat, or let it wait at the door.

        It leaves another lobby only when this one takes it. With one camera too many it is seated
        with the camera off, and told so.

        Raises:
            LobbyFullError: everybody who fits is here.
            SignalingError: `unknown_lobby`, also when the door does not let the client know; `bad_name`.
        """
        if client.seat is None or client.seat.place is not self:
            entry = self.door.check_entry(client.session.handle, self._clock())
            clean_name(message.data.name)
            client.leave_for(self)
            if entry == "knock":
                self.waiting_room.wait(client, message)
                client.waiting = self
                return
            self.waiting_room.gone(client)  # it was asked to wait before, and need not now
        self._enter(client, message)

    def _enter(self, client: ClientSession, message: JoinLobby) -> None:
        wish = {"name": message.data.name, "muted": message.data.muted, "camera": message.data.camera}
        too_many: CameraLimit | None = None
        try:
            me = self._sit(client, wish)
        except CameraLimit as error:
            too_many = error
            me = self._sit(client, wish | {"camera": False})
        plan = self._ice(me)
        client.send(
            LobbyJoined(
                id=message.id,
                lobby=self.lobby.id,
                data=LobbyJoinedData(
                    participant_id=me, ice_servers=list(plan.servers), ice_expires_s=plan.expires_s
                ),
            )
        )
        client.send(self.state())
        # after the state that is announced to all, which replaces this one where both still wait
        asyncio.get_running_loop().call_soon(self._send_captions, client)
        if too_many is not None:
            client.send(error_message(too_many, message.id))
        self._send_knocking(me)
        self.negotiations.begin(me)

    def _sit(self, client: ClientSession, wish: dict[str, Any]) -> str:
        """Returns the participant id of the seat."""
        if client.seat is not None:
            me = client.seat.participant_id
            self.agent_session.update(me, presence="present", **wish)
            self.presence.back(me)
            return me
        owner = self._owns(client)
        role = "host" if owner else "guest"
        info = ParticipantInfo.model_validate(
            {"id": f"p-{secrets.token_hex(8)}", "kind": "human", "role": role, "owner": owner, **wish}
        )
        self.agent_session.join(info)
        client.seat, client.waiting = Seat(self, info.id), None
        self.presence.take(info.id, client)
        return info.id

    def leave(self, client: ClientSession) -> None:
        """A browser leaves its seat for good, or waits no longer."""
        if client.seat is not None and client.seat.place is self:
            self._remove(client.seat.participant_id, "left")
        elif client.waiting is self:
            self.waiting_room.gone(client)

    def lost(self, client: ClientSession, closed_by_client: bool = False) -> None:
        """A browser that sits or waits here has no socket, or a new one that has not spoken: its grace
        begins (anew).

        The others are told when it lasts: a reload or a short cut is not even a flicker.
        """
        grace = self._limits.presence_grace
        if closed_by_client:
            grace = min(grace, self._limits.closed_grace)
        if client.seat is None:
            self.waiting_room.lost(client, grace)
            return
        me = client.seat.participant_id
        if not self.presence.reconnecting(me) and self.lobby.participants[me].presence == "present":
            self.presence.announce(me, self._limits.reconnecting_after)
        self.presence.keep(me, grace)
        self.negotiations.away(me)

    def resumed(self, client: ClientSession, replayed: bool) -> None:
        """A browser is back on a new socket with its page as it was."""
        if client.seat is None:
            self.waiting_room.resumed(client, replayed)
            return
        me = client.seat.participant_id
        self.presence.back(me)
        self.agent_session.update(me, presence="present")
        if not replayed:
            client.send(self.state())
            self._send_captions(client)
            self._send_knocking(me)
        self.negotiations.back(me)

    def _owns(self, client: ClientSession) -> bool:
        return client.session.handle in self.door.hosts

    def standing(self, client: ClientSession) -> Standing:
        """What a browser is to this lobby; an owner is that without being here, too."""
        if self._owns(client):
            return Standing.OWNER
        if client.seat is not None and client.seat.place is self:
            return self.moderator.standing(client.seat.participant_id)
        return Standing.VISITOR if client.waiting is self else Standing.STRANGER

    def check(self, right: Right, client: ClientSession) -> None:
        """Whether a browser has a right in this lobby. Raises SignalingError (`forbidden`)."""
        if right == "change_agents" and self.lobby.settings.agents_by == "host":
            right = "change_agents_of_hosts"
        check(right, self.standing(client))

    def state(self) -> LobbyState:
        """The whole lobby as of now."""
        return self._announcements.state()

    def _send_captions(self, client: ClientSession) -> None:
        """What was said so far, to who has just come (back)."""
        seated = client.seat is not None and client.seat.place is self
        if seated and self.agent_session.log is not None:
            for caption in self._captions.so_far(self.agent_session.log.conversation_id):
                client.send(caption)

    def _send_knocking(self, me: str) -> None:
        """To a host who has just come or become one, if somebody waits."""
        info = self.lobby.participants.get(me)
        if info is not None and info.role == "host" and self.door.waiting:
            self._tell(me, self.waiting_room.knocking())

    def _remove(self, participant_id: str, reason: LeaveReason) -> None:
        info = self.lobby.participants.get(participant_id)
        client = self.presence.free(participant_id, info.name if info is not None else "")
        if client is not None:
            client.seat = None
        self.negotiations.drop(participant_id)
        self.agent_session.leave(participant_id, reason)
        if not self.lobby.humans:
            self.moderator.emptied()

    def _expel(self, participant_id: str, reason: LeaveReason, word: Message) -> None:
        """Remove somebody by a host's decision, and tell them."""
        client = self.presence.get(participant_id)
        self._remove(participant_id, reason)
        if client is not None:
            client.send(word)
            data = UserLeftData(participant_id=participant_id, reason=reason)
            client.send(UserLeft(lobby=self.lobby.id, data=data))

    # ------------------------------------------------------------ what a seated browser sends

    def participant_update(self, me: str, message: ParticipantUpdate) -> None:
        changes = message.data.model_dump(exclude_none=True)
        self.agent_session.update(me, **changes)

    def update(self, client: ClientSession, changes: LobbyUpdateData) -> None:
        """Change the lobby for a host, whose right the caller has checked. Raises SignalingError."""
        lasting = lasts(self.standing(client))
        self.moderator.change(lasting=lasting, **changes.model_dump(exclude_none=True))

    def chat(self, me: str, message: ChatMessage) -> None:
        data = ChatData(text=message.data.text, participant_id=me)
        self._broadcast(ChatMessage(lobby=self.lobby.id, data=data), but=me)
        author = self.presence.get(me)
        if author is not None:  # by the id the author knows that this one has arrived
            author.send(ChatMessage(id=message.id, lobby=self.lobby.id, data=data))
        self.agent_session.chat(me, message.data.text)

    def raise_hand(self, me: str, message: RaiseHand) -> None:
        self.agent_session.update(me, hand_raised=message.data.raised)
        data = RaiseHandData(raised=message.data.raised, participant_id=me)
        self._broadcast(RaiseHand(lobby=self.lobby.id, data=data))

    # ------------------------------------------------------------ what everyone is told

    def _on_lobby(self, event: LobbyEvent) -> None:
        before = self._announcements.known(event.info.id) if isinstance(event, Joined | Updated) else None
        self._announcements.on_lobby(event)
        match event:
            case Joined(info) | Updated(info) if info.kind == "human":
                self._person_changed(before, info)
            case Updated(info) if before is not None and info.state != before.state:
                pass  # what an agent is doing just now is not kept
            case _:
                self._changed()

    def _person_changed(self, before: ParticipantInfo | None, info: ParticipantInfo) -> None:
        if before is not None and before.role != info.role:
            self._send_knocking(info.id)
        client = self.presence.get(info.id)
        if client is not None and _kept(before) != _kept(info):
            client.seat_changed()

    def _changed(self) -> None:
        if not self._closed:
            self._store.lobby_changed(self.lobby.id)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, ErrorEvent) and event.code in WORDS:
            words, hint = WORDS[event.code]
            notice = ErrorData(code=event.code, message=words, hint=hint, retryable=True)
            self._broadcast(Error(lobby=self.lobby.id, data=notice))
        message = self._captions.message(event)
        if message is not None:
            self._broadcast(message)

    def _tell(self, person: str, message: Message) -> None:
        client = self.presence.get(person)
        if client is not None:
            client.send(message)

    def _tell_hosts(self, message: Message) -> None:
        for host in self.lobby.hosts:
            self._tell(host.id, message)

    def _broadcast(self, message: Message, but: str | None = None) -> None:
        written = write(message)
        for person, client in self.presence.items():
            if person != but:
                client.send(written)

    # ------------------------------------------------------------ work that takes a while

    def _spawn(self, work: Coroutine[Any, Any, None], name: str, me: str, id: str | None) -> None:
        """Run it as an owned task; what goes wrong is told to the person who asked."""
        task = asyncio.get_running_loop().create_task(self._guard(work, me, id), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None], me: str, id: str | None) -> None:
        try:
            await work
        except Exception as error:
            self._tell(me, failure(error, id, f"A task of lobby {self.lobby.id}"))


def _kept(info: ParticipantInfo | None) -> tuple[object, ...] | None:
    """What a seat's record has of it."""
    return None if info is None else (info.name, info.role, info.muted, info.camera)
