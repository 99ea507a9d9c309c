"""One lobby as its clients see it: seats, rights, connections and announcements."""

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
from voicebot.server.lobby.announcements import Announcements, Captions
from voicebot.server.lobby.moderator import Moderator
from voicebot.server.lobby.negotiations import Negotiations
from voicebot.server.lobby.persistence import Persistence
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
from voicebot.store.base import AgentRecord, BanRecord, LobbyRecord, SeatRecord
from voicebot.tasks import cancel

logger = logging.getLogger(__name__)


class LobbyController:
    """One lobby and the clients in it. Everything runs on one event loop and never waits for a socket.

    `ice(user)` returns fresh ICE servers. `record` and `bans` come from the store; the lobby already has the
    record's name, settings and version. Epochs are larger than `epoch_base`.
    """

    def __init__(
        self,
        agent_session: AgentSession,
        *,
        clock: Clock,
        ice: Callable[[str], IcePlan],
        limits: Limits,
        store: Persistence,
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
        """Whether it was created in a browser, and ends when nobody is in it."""
        self.created = record.created or time.time()
        """Unix seconds."""
        self._returning = list(record.agents)
        """Agents that are not restored yet. They stay in the record."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._captions = Captions(self.lobby)
        self._closed = False
        self.presence = Presence(
            self.lobby,
            on_reconnecting=lambda me: self.agent_session.update(me, presence="reconnecting"),
            on_lost=lambda me: self._remove(me, "lost"),
        )
        self.door = Door(
            self.lobby,
            hosts=record.hosts,
            admitted=record.admitted,
            banned=[ban.handle for ban in bans],
        )
        self.waiting_room = WaitingRoom(self.lobby, self.door, self.presence, clock, self._enter)
        self.negotiations = Negotiations(
            agent_session, self.presence, clock=clock, ice=ice, spawn=self._spawn, epoch_base=epoch_base
        )
        self.agents = AgentCommands(agent_session, self.presence, self._spawn)
        self.moderator = Moderator(
            agent_session,
            self.door,
            self.waiting_room,
            self.presence,
            store,
            expel=self._expel,
            reports=reports,
            clock=clock,
            bans=bans,
        )
        self._announcements = Announcements(self.lobby, self.presence, self.negotiations.agents_changed)
        self._unsubscribe = [self.lobby.subscribe(self._on_lobby), agent_session.subscribe(self._on_event)]

    async def close(self, reason: str = "", *, for_good: bool = True) -> None:
        """End all tasks and timers. With `for_good`, tell everyone that the lobby is over. Otherwise the next
        server continues it, with the same seats."""
        self._closed = True
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self.waiting_room.close(tell=for_good)
        self.negotiations.close()
        if for_good:
            data = LobbyDestroyedData(reason=reason)
            self.presence.broadcast(LobbyDestroyed(lobby=self.lobby.id, data=data))
        for client in self.presence.close():
            client.seat = None
        await cancel(self._tasks)

    # ------------------------------------------------------------ storing and restoring

    def record(self) -> LobbyRecord:
        """Return the record of the lobby for the store. Seats are stored with the sessions."""
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
        """Restore the agents of the record. Logs those that cannot be restored."""
        await asyncio.gather(*(self._restore_agent(record) for record in self._returning))
        self._store.lobby_changed(self.lobby.id)

    async def _restore_agent(self, record: AgentRecord) -> None:
        if self._closed:
            return
        try:
            await self.agent_session.restore(record)
        except Exception as error:  # restore the others all the same
            logger.warning("Agent %s of lobby %s could not be restored: %s", record.id, self.lobby.id, error)
        self._returning.remove(record)

    def reseat(self, seats: Sequence[tuple[ClientSession, SeatRecord]]) -> None:
        """Give clients their seats back, in a lobby without people.

        They count as reconnecting from now on, and no WebRTC connection begins.
        """
        for client, record in sorted(seats, key=lambda seat: seat[1].role != "host"):
            if client.seat is not None:  # it has joined a lobby meanwhile
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
                logger.warning(
                    "%s could not get their seat in lobby %s back: %s", info.id, self.lobby.id, error
                )
                continue
            client.seat = Seat(self, info.id)
            self.presence.take(info.id, client)
            self.presence.keep(info.id, self._limits.presence_grace)

    # ------------------------------------------------------------ joining and leaving

    def join(self, client: ClientSession, message: JoinLobby) -> None:
        """Give a client a seat, perhaps the one that it already has, or let it wait at the door.

        It leaves its previous lobby only if this one accepts it. If too many cameras are on, its camera stays
        off, and the error `camera_limit` follows.

        Raises:
            LobbyFullError: There is no room.
            SignalingError: `bad_name`, or `unknown_lobby` for anybody who must not know of this lobby.
        """
        if client.seat is None or client.seat.place is not self:
            entry = self.door.check_entry(client.session.handle, self._clock())
            clean_name(message.data.name)
            client.leave_for(self)
            if entry == "knock":
                self.waiting_room.wait(client, message)
                client.waiting = self
                return
            self.waiting_room.gone(client)  # in case it has waited until now
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
        # after the state for everyone, which replaces this one if both are still queued
        asyncio.get_running_loop().call_soon(self._send_captions, client)
        if too_many is not None:
            client.send(error_message(too_many, message.id))
        self._send_knocking(me)
        self.negotiations.begin(me)

    def _sit(self, client: ClientSession, wish: dict[str, Any]) -> str:
        """Return the participant id of the seat."""
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
        """Free the seat of a client, or stop its wait at the door."""
        if client.seat is not None and client.seat.place is self:
            self._remove(client.seat.participant_id, "left")
        elif client.waiting is self:
            self.waiting_room.gone(client)

    def lost(self, client: ClientSession, closed_by_client: bool = False) -> None:
        """Handle a client that has lost its socket, or whose new one has not sent anything yet.

        Its seat is kept for a while. The others are told only if this lasts, so they do not notice reloads
        and short failures.
        """
        grace = self._limits.presence_grace
        if closed_by_client:
            grace = min(grace, self._limits.closed_grace)
        if client.seat is None:
            self.waiting_room.lost(client, grace)
            return
        me = client.seat.participant_id
        if not self.presence.is_reconnecting(me) and self.lobby.participants[me].presence == "present":
            self.presence.announce(me, self._limits.reconnecting_after)
        self.presence.keep(me, grace)
        self.negotiations.away(me)

    def resumed(self, client: ClientSession, replayed: bool) -> None:
        """Handle a client that has resumed on a new socket, with the same page."""
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
        """The standing of a client. An owner has it even without being here."""
        if self._owns(client):
            return Standing.OWNER
        if client.seat is not None and client.seat.place is self:
            return self.moderator.standing(client.seat.participant_id)
        return Standing.VISITOR if client.waiting is self else Standing.STRANGER

    def check(self, right: Right, client: ClientSession) -> None:
        """Check that a client has a right in this lobby. Raises SignalingError (`forbidden`)."""
        if right == "change_agents" and self.lobby.settings.agents_by == "host":
            right = "change_agents_of_hosts"
        check(right, self.standing(client))

    def state(self) -> LobbyState:
        """The current state of the whole lobby."""
        return self._announcements.state()

    def _send_captions(self, client: ClientSession) -> None:
        """Send what was said so far to a client that has just joined or resumed."""
        seated = client.seat is not None and client.seat.place is self
        if seated and self.agent_session.log is not None:
            for caption in self._captions.so_far(self.agent_session.log.conversation_id):
                client.send(caption)

    def _send_knocking(self, me: str) -> None:
        """Tell somebody who has joined or become a host who is waiting, if anybody is."""
        info = self.lobby.participants.get(me)
        if info is not None and info.role == "host" and self.door.waiting:
            self.presence.tell(me, self.waiting_room.knocking())

    def _remove(self, participant_id: str, reason: LeaveReason) -> None:
        info = self.lobby.participants.get(participant_id)
        client = self.presence.free(participant_id, info.name if info is not None else "")
        if client is not None:
            client.seat = None
        self.negotiations.drop(participant_id)
        self.agent_session.leave(participant_id, reason)
        if not self.lobby.humans:
            self.moderator.emptied()

    def _expel(self, participant_id: str, reason: LeaveReason, message: Message) -> None:
        """Remove somebody whom a host has kicked or banned, and send them the message."""
        client = self.presence.get(participant_id)
        self._remove(participant_id, reason)
        if client is not None:
            client.send(message)
            data = UserLeftData(participant_id=participant_id, reason=reason)
            client.send(UserLeft(lobby=self.lobby.id, data=data))

    # ------------------------------------------------------------ messages from clients with a seat

    def participant_update(self, me: str, message: ParticipantUpdate) -> None:
        """Change the name or devices of the person `me`. Raises what `AgentSession.update` raises."""
        changes = message.data.model_dump(exclude_none=True)
        self.agent_session.update(me, **changes)

    def update(self, client: ClientSession, changes: LobbyUpdateData) -> None:
        """Change the lobby for a host. The caller has checked the right. Raises SignalingError."""
        lasting = lasts(self.standing(client))
        self.moderator.change(lasting=lasting, **changes.model_dump(exclude_none=True))

    def chat(self, me: str, message: ChatMessage) -> None:
        """Log a chat message of the person `me`, and send it to everyone."""
        data = ChatData(text=message.data.text, participant_id=me)
        self.presence.broadcast(ChatMessage(lobby=self.lobby.id, data=data), but=me)
        # the id tells the author that the message has arrived
        self.presence.tell(me, ChatMessage(id=message.id, lobby=self.lobby.id, data=data))
        self.agent_session.chat(me, message.data.text)

    def raise_hand(self, me: str, message: RaiseHand) -> None:
        """Raise or lower the hand of the person `me`, and tell everyone."""
        self.agent_session.update(me, hand_raised=message.data.raised)
        data = RaiseHandData(raised=message.data.raised, participant_id=me)
        self.presence.broadcast(RaiseHand(lobby=self.lobby.id, data=data))

    # ------------------------------------------------------------ events

    def _on_lobby(self, event: LobbyEvent) -> None:
        self._announcements.on_lobby(event)
        match event:
            case Joined(info) if info.kind == "human":
                pass  # the client's session stores the seat
            case Updated(info, before) if info.kind == "human":
                if info.role != before.role:
                    self._send_knocking(info.id)
                client = self.presence.get(info.id)
                if client is not None and _stored(info) != _stored(before):
                    client.seat_changed()
            case Updated(info, before) if info.state != before.state:
                pass  # the state of an agent is not stored
            case _:
                self._store.lobby_changed(self.lobby.id)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, ErrorEvent) and event.code in WORDS:
            words, hint = WORDS[event.code]
            notice = ErrorData(code=event.code, message=words, hint=hint, retryable=True)
            self.presence.broadcast(Error(lobby=self.lobby.id, data=notice))
        caption = self._captions.caption(event)
        if caption is not None:
            self.presence.broadcast(caption)

    # ------------------------------------------------------------ work that takes a while

    def _spawn(self, work: Coroutine[Any, Any, None], name: str, me: str, id: str | None) -> None:
        """Run it as an owned task, and send errors to the person `me` as the answer to message `id`."""
        task = asyncio.get_running_loop().create_task(self._guard(work, me, id), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None], me: str, id: str | None) -> None:
        try:
            await work
        except Exception as error:
            self.presence.tell(me, failure(error, id, f"A task of lobby {self.lobby.id}"))


def _stored(info: ParticipantInfo) -> tuple[object, ...]:
    """The fields that a seat's record contains."""
    return info.name, info.role, info.muted, info.camera
