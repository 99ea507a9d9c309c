"""The lobbies of one server: creates, restores, adopts and ends them."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from voicebot.agent.session import AgentSession
from voicebot.clock import Clock
from voicebot.errors import SignalingError, StoreError
from voicebot.lobby.door import no_such_lobby
from voicebot.lobby.lobby import RESTORED, Lobby
from voicebot.lobby.moderation import ReportLimit
from voicebot.media.base import MediaGone, Notice
from voicebot.server.lobby.controller import LobbyController
from voicebot.server.lobby.demo import DEMO_LOBBY, DemoLobby
from voicebot.server.lobby.idle_timeout import IdleTimeout
from voicebot.server.lobby.persistence import Persistence
from voicebot.server.net.close_codes import CloseCode
from voicebot.server.net.limits import Limits
from voicebot.server.net.quotas import LobbyQuotas, Maker
from voicebot.server.sessions.sessions import Sessions
from voicebot.server.telemetry.telemetry import Telemetry
from voicebot.signaling.messages import CreateLobbyData, LobbySettings
from voicebot.signaling.turn import IcePlan
from voicebot.store.base import BanRecord, LobbyRecord, Store

logger = logging.getLogger(__name__)

MAX_LOBBIES = 200
SEATS_KEPT = 300.0
"""Seconds without a server after which seats are not restored, because nobody is expected back."""


class Lobbies:
    """All lobbies of this server, by id.

    `make_agent_session(lobby)` makes the agent session of a lobby, `ice(user)` returns fresh ICE servers, and
    `spawn(work, name)` runs a coroutine as an owned task. `demo` is whether this server has a demo lobby.
    """

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        *,
        make_agent_session: Callable[[Lobby], AgentSession],
        ice: Callable[[str], IcePlan],
        limits: Limits,
        telemetry: Telemetry,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        demo: bool = False,
    ) -> None:
        self._store, self._sessions = store, sessions
        self._make_agent_session, self._ice, self._limits = make_agent_session, ice, limits
        self._telemetry, self._clock, self._spawn = telemetry, clock, spawn
        self.persistence = Persistence(store, lost=self._lose)
        self._controllers: dict[str, LobbyController] = {}
        self._idle_timeouts: dict[str, IdleTimeout] = {}
        self._unopened: set[str] = set()
        """Ids of stored lobbies that could not be opened. New lobbies may take them."""
        self._reports = ReportLimit()
        self.demo = DemoLobby(self.create, self._demo_session, spawn) if demo else None
        self._opening: set[str] = set()
        """Ids of lobbies that are being opened. The store would lease them to this server a second time."""
        self._quotas = LobbyQuotas()
        sessions.token = self.persistence.token

    @property
    def controllers(self) -> Mapping[str, LobbyController]:
        """The controllers by lobby id; a live, read-only view."""
        return MappingProxyType(self._controllers)

    def find(self, lobby_id: str) -> LobbyController:
        """Return a lobby of this server. Raises SignalingError (`unknown_lobby`)."""
        if lobby_id not in self._controllers:
            raise no_such_lobby()
        return self._controllers[lobby_id]

    # ------------------------------------------------------------ creating

    async def create(
        self, name: str, id: str | None, settings: LobbySettings, *, maker: Maker | None = None
    ) -> LobbyController:
        """Create a lobby. Without `id`, it gets one that cannot be guessed.

        The lobby of a `maker` ends when it stays empty, and counts against the maker's quotas. If there is no
        room, it replaces a lobby that nobody has ever been in, of whoever has most.

        Raises:
            SignalingError: `bad_name`, `bad_id`, `id_taken` (perhaps by another server), or `too_many`.
        """
        record = LobbyRecord(
            self._new_id(id),
            name,
            settings=settings.model_dump(),
            hosts=() if maker is None else (maker.session,),
            closes_when_empty=maker is not None,
        )
        superfluous = self._place(maker)
        self._opening.add(record.id)
        if maker is not None:
            self._quotas.add(record.id, maker)
        try:
            if superfluous is not None:
                logger.info("Lobby %s was closed to make room for another one.", superfluous)
                await self.close(superfluous, "Nobody came, and others needed the room.")
            return await self._make(record)
        except BaseException:
            self._quotas.remove(record.id)
            raise
        finally:
            self._opening.discard(record.id)

    def _place(self, maker: Maker | None) -> str | None:
        """Find room for one more lobby. Returns the lobby to close for it, or None if there is room."""
        free = MAX_LOBBIES - self._places
        if maker is not None:
            self._quotas.check(maker, max(free, 1))
        if free > 0:
            return None
        unused = [
            lobby_id
            for lobby_id, idle_timeout in self._idle_timeouts.items()
            if not idle_timeout.used and not self._controllers[lobby_id].door.waiting
        ]
        found = self._quotas.gives_way(maker, unused) if maker is not None else None
        if found is None:
            raise SignalingError(
                "There are too many lobbies.", hint="Try again later.", code="too_many", retryable=True
            )
        return found

    @property
    def _places(self) -> int:
        """Number of lobbies, including those that are being opened."""
        return len(self._controllers.keys() | self._opening)

    async def _make(self, record: LobbyRecord) -> LobbyController:
        if not await self.persistence.take(record.id):
            raise _taken(record.id)
        if record.id in self._unopened:
            await self.persistence.delete(record.id)
            self._unopened.discard(record.id)
            await self.persistence.take(record.id)
        elif await self.persistence.knows(record.id):
            await self.persistence.drop(record.id)
            raise _taken(record.id)
        try:
            return await self._open(record)
        except BaseException:
            await self.persistence.drop(record.id)
            raise

    async def create_for_client(self, wish: CreateLobbyData, maker: Maker) -> LobbyController:
        """Create a lobby that ends when it stays empty. Raises SignalingError, see `create`."""
        if wish.slug == DEMO_LOBBY:  # a server with a demo lobby would restore it with an owner
            raise _taken(wish.slug)
        controller = await self.create(wish.name, wish.slug, wish.settings, maker=maker)
        self._watch(controller.agent_session, unused=self._limits.unused_lobby)
        return controller

    def _demo_session(self) -> AgentSession | None:
        controller = self._controllers.get(DEMO_LOBBY)
        return controller.agent_session if controller is not None else None

    # ------------------------------------------------------------ restoring

    async def restore(self) -> None:
        """Open the stored lobbies that no other server has, without their agents."""
        for record in await self._store.lobbies():
            if self._places >= MAX_LOBBIES:
                logger.warning("Lobby %s was not opened: there are already %d.", record.id, MAX_LOBBIES)
            else:
                await self._restore(record)

    async def adopt(self, record: LobbyRecord) -> None:
        """Continue a lobby that has lost its server, if there is room. Raises StoreError."""
        known = self._controllers.keys() | self._unopened | self._opening
        if self._places >= MAX_LOBBIES or record.id in known:
            return
        self._opening.add(record.id)
        try:
            controller = await self._restore(record)
        finally:
            self._opening.discard(record.id)
        if controller is not None:
            logger.info("Lobby %s had lost its server and continues here.", record.id)
            self._spawn(controller.restore_agents(), f"restore the agents of {record.id}")

    async def _restore(self, record: LobbyRecord) -> LobbyController | None:
        left_out = record.id == DEMO_LOBBY and self.demo is None
        if left_out or not await self.persistence.take(record.id):
            return None
        try:
            return await self._reopen(record)
        except StoreError:  # not the fault of the lobby
            await self.persistence.drop(record.id)
            raise
        except Exception as error:  # open the others all the same
            logger.warning("Lobby %s stays in the store, but cannot be opened: %s", record.id, error)
            self._unopened.add(record.id)
            await self.persistence.drop(record.id)
            return None

    async def restore_agents(self) -> None:
        """Restore the agents of all restored lobbies. Returns when their models are loaded."""
        await asyncio.gather(*(controller.restore_agents() for controller in self._controllers.values()))

    async def _reopen(self, record: LobbyRecord) -> LobbyController:
        """Open a stored lobby with its bans, and with the seats of those who were in it until recently."""
        now = time.time()
        bans, sessions = await self._store.bans(record.id), await self._store.seats(record.id)
        controller = await self._open(record, bans, version=record.version + RESTORED)
        if now - record.saved <= SEATS_KEPT:
            seated = [one for one in sessions if one.seat and one.expires > now]
            controller.reseat([(self._sessions.restore(one), one.seat) for one in seated if one.seat])
        if record.closes_when_empty:
            if record.hosts:  # the address of the maker is not stored
                self._quotas.add(record.id, Maker(record.hosts[0]))
            self._watch(controller.agent_session, unused=self._limits.empty_lobby)
        return controller

    def _new_id(self, wish: str | None) -> str:
        lobby_id = wish if wish is not None else secrets.token_urlsafe(16)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,48}", lobby_id):
            raise SignalingError(
                f"{lobby_id!r} is not a lobby id.",
                hint="Use 1 to 48 letters, digits, - and _.",
                code="bad_id",
            )
        if lobby_id in self._controllers or lobby_id in self._opening:
            raise _taken(lobby_id)
        return lobby_id

    async def _open(
        self, record: LobbyRecord, bans: Sequence[BanRecord] = (), *, version: int = 0
    ) -> LobbyController:
        """Open a lobby from its record, without agents and people. Raises SignalingError (`bad_name`)."""
        settings = LobbySettings.model_validate(dict(record.settings))
        agent_session = self._make_agent_session(
            Lobby(record.id, record.name, settings=settings, version=version)
        )
        await agent_session.open()
        if self.demo is not None and record.id == DEMO_LOBBY:
            self.demo.watch(agent_session)
        controller = self._controllers[record.id] = LobbyController(
            agent_session,
            clock=self._clock,
            ice=self._ice,
            limits=self._limits,
            store=self.persistence,
            record=record,
            bans=bans,
            reports=self._reports,
            epoch_base=int(time.time() * 1000),
        )
        controller.negotiations.watch(self._telemetry.connections(agent_session.host_peer))
        agent_session.subscribe(lambda event: self._telemetry.follow(agent_session.log, event))
        self.persistence.keep(record.id, controller.record)
        return controller

    # ------------------------------------------------------------ ending

    async def close(self, lobby_id: str, reason: str = "") -> None:
        """End a lobby for everyone in it, and delete it, if it exists."""
        await self._end(lobby_id, reason)
        await self.persistence.delete(lobby_id)

    async def end_all(self, reason: str, *, for_good: bool) -> None:
        """End every lobby, either for good, or so that it continues with the next server."""
        for lobby_id in list(self._controllers):
            await (self.close(lobby_id, reason) if for_good else self._end(lobby_id, reason, for_good=False))

    async def _end(self, lobby_id: str, reason: str, *, for_good: bool = True) -> None:
        controller = self._controllers.pop(lobby_id, None)
        self._quotas.remove(lobby_id)
        idle_timeout = self._idle_timeouts.pop(lobby_id, None)
        if idle_timeout is not None:
            idle_timeout.close()
        if controller is not None:
            await controller.close(reason, for_good=for_good)
            await controller.agent_session.close(reason)

    def _lose(self, lobby_id: str) -> None:
        """Another server has this lobby now. The clients here find it there with a new socket."""
        controller = self._controllers.get(lobby_id)
        if controller is not None and self._store.shared:
            for client in (*controller.presence.clients, *controller.waiting_room.clients):
                self._sessions.writer.give_up(client.session.handle)
                if client.outbox is not None:
                    client.outbox.close(CloseCode.SERVICE_RESTART, "another server has the lobby now")
        self._spawn(self._end(lobby_id, "Another server has it now.", for_good=False), f"lose {lobby_id}")

    def _watch(self, agent_session: AgentSession, unused: float) -> None:
        """Close the lobby when nobody has been in it for a while, after removing its agents."""
        lobby_id = agent_session.lobby.id

        def expired() -> None:
            self._spawn(self.close(lobby_id, "Nobody was here."), f"close {lobby_id}")

        async def remove_agents() -> None:
            for agent in agent_session.lobby.agents:
                await agent_session.remove(agent.id)

        self._idle_timeouts[lobby_id] = IdleTimeout(
            agent_session.lobby,
            unused=unused,
            empty=self._limits.empty_lobby,
            agents=self._limits.agents_alone,
            expired=expired,
            lonely=lambda: self._spawn(remove_agents(), f"remove the agents of {lobby_id}"),
        )

    # ------------------------------------------------------------ notices

    def on_notice(self, notice: Notice) -> None:
        """Pass a notice of the media plane to the lobby of its agent host, or to all lobbies."""
        everyone = isinstance(notice, MediaGone)
        for lobby_id, controller in list(self._controllers.items()):
            if not everyone and controller.agent_session.host_peer != getattr(notice, "host_id", None):
                continue
            try:
                controller.agent_session.on_notice(notice)
                controller.negotiations.on_notice(notice)
            except Exception:  # it must not affect the other lobbies
                logger.exception("Lobby %s failed on %r", lobby_id, type(notice).__name__)


def _taken(lobby_id: str) -> SignalingError:
    return SignalingError(
        f"There is already a lobby {lobby_id!r}.", hint="Choose another id.", code="id_taken"
    )
