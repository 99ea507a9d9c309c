"""The lobbies of one server: made, restored, ended when nobody comes, and told what the media plane says."""

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
from voicebot.lobby.lobby import RESTORED, Lobby
from voicebot.lobby.moderation import ReportLimit
from voicebot.media.base import MediaGone, MediaStats, Notice
from voicebot.server.lobby.controller import LobbyController
from voicebot.server.lobby.demo import DEMO_LOBBY, DemoLobby
from voicebot.server.lobby.idle_timeout import IdleTimeout
from voicebot.server.lobby.persistence import Persistence
from voicebot.server.lobby.quotas import LobbyQuotas, Maker
from voicebot.server.net.close_codes import CloseCode
from voicebot.server.net.limits import Limits
from voicebot.server.sessions.sessions import Sessions
from voicebot.server.telemetry.telemetry import Telemetry
from voicebot.signaling.messages import LobbySettings
from voicebot.signaling.turn import IcePlan
from voicebot.store.base import BanRecord, LobbyRecord, Store

logger = logging.getLogger(__name__)

MAX_LOBBIES = 200
SEATS_KEPT = 300.0
"""Seconds without a server after which nobody is expected back: seats from before are not kept free."""


class Lobbies:
    """All of them, by id. Epochs of their connections begin above those of any server before.

    `make_agent_session(lobby)` gives the agents of a lobby, `ice(user)` fresh ICE servers,
    `spawn(work, name)` runs a coroutine as an owned task.
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
        self._persistence = Persistence(store, lost=self._lose)
        self._controllers: dict[str, LobbyController] = {}
        self._agent_sessions: dict[str, AgentSession] = {}
        self._idle_timeouts: dict[str, IdleTimeout] = {}
        self._unopened: set[str] = set()
        """Kept lobbies that could not be opened: their ids may be given away."""
        self._reports = ReportLimit()
        self._demo: DemoLobby | None = None
        self._with_demo = demo
        self._opening: set[str] = set()
        """Ids of those that are being opened: their leases would be given to this server twice."""
        self._quotas = LobbyQuotas()
        sessions.token = self._persistence.token

    @property
    def agent_sessions(self) -> MappingProxyType[str, AgentSession]:
        """A live, read-only view."""
        return MappingProxyType(self._agent_sessions)

    @property
    def controllers(self) -> Mapping[str, LobbyController]:
        """The browsers' side of each; a live, read-only view."""
        return MappingProxyType(self._controllers)

    def start(self) -> None:
        """Begin to write down what changes."""
        self._persistence.start()

    async def flush(self) -> None:
        """Write down now what has changed. A store that fails is logged, never raised."""
        await self._persistence.flush()

    async def aclose(self) -> None:
        """Write nothing any more, and give every lobby back to whoever serves it next."""
        await self._persistence.aclose()

    # ------------------------------------------------------------ coming into being

    async def create(
        self,
        name: str,
        id: str | None,
        settings: LobbySettings,
        *,
        maker: Maker | None = None,
    ) -> LobbyController:
        """A new one; without `id` it gets one that cannot be guessed.

        That of a `maker` ends when it stays empty, and is one of those the maker may have; when there is
        no place, one that nobody has ever been in, of whoever has most, gives way.

        Raises:
            SignalingError: `bad_name`, `bad_id`, `id_taken` (also by another server), or `too_many`.
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
                logger.info("Lobby %s gives its place to another one.", superfluous)
                await self.close(superfluous, "Nobody came, and others needed the place.")
            return await self._make(record)
        except BaseException:
            self._quotas.remove(record.id)
            raise
        finally:
            self._opening.discard(record.id)

    def _place(self, maker: Maker | None) -> str | None:
        """Find a place for one more lobby: a free one (None), or that of the lobby that is returned."""
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
        """How many are taken, by those that are being opened, too."""
        return len(self._agent_sessions.keys() | self._opening)

    async def _make(self, record: LobbyRecord) -> LobbyController:
        if not await self._persistence.take(record.id):
            raise _taken(record.id)
        if record.id in self._unopened:
            await self._persistence.delete(record.id)
            self._unopened.discard(record.id)
            await self._persistence.take(record.id)
        elif await self._persistence.knows(record.id):
            await self._persistence.drop(record.id)
            raise _taken(record.id)
        try:
            return await self._open(record)
        except BaseException:
            await self._persistence.drop(record.id)
            raise

    async def create_for_client(
        self, name: str, slug: str | None, settings: LobbySettings, maker: Maker
    ) -> LobbyController:
        """One that ends when it stays empty. Raises as `create`."""
        if slug == DEMO_LOBBY:  # else somebody would own it at the next start of a server that has one
            raise _taken(slug)
        controller = await self.create(name, slug, settings, maker=maker)
        self._watch(controller.agent_session, unused=self._limits.unused_lobby)
        return controller

    async def renew_demo(self) -> None:
        """Let the demo lobby have its own agent, if this server has the lobby."""
        if self._demo is not None:
            await self._demo.renew()

    async def restore(self) -> None:
        """Open those that are kept and that no other server serves, without their agents."""
        for record in await self._store.lobbies():
            if self._places >= MAX_LOBBIES:
                logger.warning("Lobby %s is not opened: there are %d already.", record.id, MAX_LOBBIES)
            else:
                await self._restore(record)

    async def adopt(self, record: LobbyRecord) -> None:
        """Go on with a lobby that no server serves any more, if there is room. Raises StoreError."""
        if self._places >= MAX_LOBBIES or record.id in {
            *self._agent_sessions,
            *self._unopened,
            *self._opening,
        }:
            return
        self._opening.add(record.id)
        try:
            controller = await self._restore(record)
        finally:
            self._opening.discard(record.id)
        if controller is not None:
            logger.info("Lobby %s had no server: it goes on here.", record.id)
            self._spawn(controller.restore_agents(), f"restore the agents of {record.id}")

    async def _restore(self, record: LobbyRecord) -> LobbyController | None:
        left_out = record.id == DEMO_LOBBY and not self._with_demo
        if left_out or not await self._persistence.take(record.id):
            return None
        try:
            return await self._reopen(record)
        except StoreError:  # says nothing about the lobby
            await self._persistence.drop(record.id)
            raise
        except Exception as error:  # one that cannot be opened does not cost the others
            logger.warning("Lobby %s is kept, but cannot be opened: %s", record.id, error)
            self._unopened.add(record.id)
            await self._persistence.drop(record.id)
            return None

    async def restore_agents(self) -> None:
        """Let the agents of restored lobbies come back; returns when the models, theirs too, are loaded."""
        await asyncio.gather(*(controller.restore_agents() for controller in self._controllers.values()))

    async def _reopen(self, record: LobbyRecord) -> LobbyController:
        """A kept lobby, its bans, and the seats of those who were in it until just now."""
        now = time.time()
        bans, sessions = await self._store.bans(record.id), await self._store.seats(record.id)
        controller = await self._open(record, bans, version=record.version + RESTORED)
        if now - record.saved <= SEATS_KEPT:
            seated = [one for one in sessions if one.seat and one.expires > now]
            controller.reseat([(self._sessions.restore(one), one.seat) for one in seated if one.seat])
        if record.closes_when_empty:
            if record.hosts:  # where its maker was is not written down
                self._quotas.add(record.id, Maker(record.hosts[0]))
            self._watch(controller.agent_session, unused=self._limits.empty_lobby)
        return controller

    def _new_id(self, wish: str | None) -> str:
        lobby_id = wish if wish is not None else secrets.token_urlsafe(16)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,48}", lobby_id):
            raise SignalingError(
                f"{lobby_id!r} is no lobby id.", hint="Use 1 to 48 letters, digits, - and _.", code="bad_id"
            )
        if lobby_id in self._agent_sessions or lobby_id in self._opening:
            raise _taken(lobby_id)
        return lobby_id

    async def _open(
        self, record: LobbyRecord, bans: Sequence[BanRecord] = (), *, version: int = 0
    ) -> LobbyController:
        """A lobby as its record says, without agents and people. Raises SignalingError (`bad_name`)."""
        settings = LobbySettings.model_validate(dict(record.settings))
        agent_session = self._make_agent_session(
            Lobby(record.id, record.name, settings=settings, version=version)
        )
        await agent_session.open()
        self._agent_sessions[record.id] = agent_session
        if self._with_demo and record.id == DEMO_LOBBY:
            self._demo = DemoLobby(
                agent_session, lambda: self._agent_sessions.get(DEMO_LOBBY) is agent_session, self._spawn
            )
        controller = self._controllers[record.id] = LobbyController(
            agent_session,
            clock=self._clock,
            ice=self._ice,
            limits=self._limits,
            store=self._persistence,
            record=record,
            bans=bans,
            reports=self._reports,
            epoch_base=int(time.time() * 1000),
        )
        controller.negotiations.watch(self._telemetry.connections(agent_session.host_peer))
        agent_session.subscribe(lambda event: self._telemetry.follow(agent_session.log, event))
        self._persistence.keep(record.id, controller.record)
        return controller

    # ------------------------------------------------------------ ending

    async def close(self, lobby_id: str, reason: str = "") -> None:
        """End a lobby for everyone in it and forget it; one that is not there is no error."""
        await self._end(lobby_id, reason)
        await self._persistence.delete(lobby_id)

    async def close_all(self, reason: str) -> None:
        """End every lobby for good."""
        for lobby_id in list(self._agent_sessions):
            await self.close(lobby_id, reason)

    async def end_all(self, reason: str) -> None:
        """End every lobby here; they are kept, and people are told nothing."""
        for lobby_id in list(self._agent_sessions):
            await self._end(lobby_id, reason, for_good=False)

    async def _end(self, lobby_id: str, reason: str, *, for_good: bool = True) -> None:
        controller, agent_session = (
            self._controllers.pop(lobby_id, None),
            self._agent_sessions.pop(lobby_id, None),
        )
        self._quotas.remove(lobby_id)
        idle_timeout = self._idle_timeouts.pop(lobby_id, None)
        if idle_timeout is not None:
            idle_timeout.close()
        if controller is not None:
            await controller.close(reason, for_good=for_good)
        if agent_session is not None:
            await agent_session.close(reason)

    def _lose(self, lobby_id: str) -> None:
        """Another server has this lobby now: who is here finds it there, by way of a new socket."""
        controller = self._controllers.get(lobby_id)
        if controller is not None and self._store.shared:
            for client in (
                *(one for _, one in controller.presence.items()),
                *controller.waiting_room.clients,
            ):
                self._sessions.give_up(client)
                if client.outbox is not None:
                    client.outbox.close(CloseCode.SERVICE_RESTART, "another server goes on with the lobby")
        self._spawn(
            self._end(lobby_id, "Another server goes on with it.", for_good=False), f"lose {lobby_id}"
        )

    def _watch(self, agent_session: AgentSession, unused: float) -> None:
        """Close the lobby when nobody has been in it for a while, and let its agents go before."""
        lobby_id = agent_session.lobby.id

        def expired() -> None:
            self._spawn(self.close(lobby_id, "Nobody was here."), f"close {lobby_id}")

        async def let_go() -> None:
            for agent in agent_session.lobby.agents:
                await agent_session.remove(agent.id)

        self._idle_timeouts[lobby_id] = IdleTimeout(
            agent_session.lobby,
            unused=unused,
            empty=self._limits.empty_lobby,
            agents=self._limits.agents_alone,
            expired=expired,
            lonely=lambda: self._spawn(let_go(), f"let the agents of {lobby_id} go"),
        )

    # ------------------------------------------------------------ what happens to them

    def on_notice(self, notice: Notice) -> None:
        """A notice of the media plane, to the lobby whose agent host it is about, or to all."""
        if isinstance(notice, MediaStats):
            return
        everyone = isinstance(notice, MediaGone)
        for lobby_id, agent_session in list(self._agent_sessions.items()):
            if not everyone and agent_session.host_peer != getattr(notice, "host_id", None):
                continue
            try:
                agent_session.on_notice(notice)
                if lobby_id in self._controllers:
                    self._controllers[lobby_id].negotiations.on_notice(notice)
            except Exception:  # one lobby's trouble is not the others'
                logger.exception("Lobby %s failed on %r", lobby_id, type(notice).__name__)


def _taken(lobby_id: str) -> SignalingError:
    return SignalingError(
        f"There is a lobby {lobby_id!r} already.", hint="Choose another id.", code="id_taken"
    )
