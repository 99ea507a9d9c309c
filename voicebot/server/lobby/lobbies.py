"""The lobbies of one server: made, restored, ended when nobody comes, and told what the media plane says."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from voicebot.clock import Clock
from voicebot.errors import SignalingError, StoreError
from voicebot.lobby.lobby import RESTORED, Lobby
from voicebot.lobby.moderation import ReportLimit
from voicebot.media.base import MediaGone, MediaStats, Notice
from voicebot.server.cluster.channels import SERVICE_RESTART
from voicebot.server.lobby.controller import ServedLobby
from voicebot.server.lobby.idle_timeout import Vacancy
from voicebot.server.lobby.persistence import Persistence
from voicebot.server.lobby.ports import RoomPort
from voicebot.server.lobby.quotas import Holdings, Maker
from voicebot.server.net.limits import Limits
from voicebot.server.sessions.sessions import Sessions
from voicebot.server.telemetry.telemetry import Telemetry
from voicebot.signaling.messages import LobbySettings
from voicebot.signaling.turn import IcePlan
from voicebot.store.base import BanRecord, LobbyRecord, Store

logger = logging.getLogger(__name__)

DEMO_LOBBY = "demo"
"""The lobby that the server makes for itself: it has no owner."""
MAX_LOBBIES = 200
SEATS_KEPT = 300.0
"""Seconds without a server after which nobody is expected back: seats from before are not kept free."""


class Lobbies:
    """All of them, by id. Epochs of their connections begin above those of any server before.

    `make_room(lobby)` gives the room behind a lobby, `ice(user)` fresh ICE servers,
    `spawn(work, name)` runs a coroutine as an owned task.
    """

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        *,
        make_room: Callable[[Lobby], RoomPort],
        ice: Callable[[str], IcePlan],
        limits: Limits,
        telemetry: Telemetry,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self._store, self._sessions = store, sessions
        self._make_room, self._ice, self._limits = make_room, ice, limits
        self._telemetry, self._clock, self._spawn = telemetry, clock, spawn
        self._keeper = Persistence(store, lost=self._lose)
        self._served: dict[str, ServedLobby] = {}
        self._rooms: dict[str, RoomPort] = {}
        self._vacancies: dict[str, Vacancy] = {}
        self._unopened: set[str] = set()
        """Kept lobbies that could not be opened: their ids may be given away."""
        self._reports = ReportLimit()
        self._left_out: Collection[str] = ()
        self._opening: set[str] = set()
        """Ids of those that are being opened: their leases would be given to this server twice."""
        self._holdings = Holdings()
        sessions.token = self._keeper.token

    @property
    def rooms(self) -> MappingProxyType[str, RoomPort]:
        """A live, read-only view."""
        return MappingProxyType(self._rooms)

    @property
    def served(self) -> Mapping[str, ServedLobby]:
        """The browsers' side of each; a live, read-only view."""
        return MappingProxyType(self._served)

    def start(self) -> None:
        """Begin to write down what changes."""
        self._keeper.start()

    async def flush(self) -> None:
        """Write down now what has changed. A store that fails is logged, never raised."""
        await self._keeper.flush()

    async def aclose(self) -> None:
        """Write nothing any more, and give every lobby back to whoever serves it next."""
        await self._keeper.aclose()

    # ------------------------------------------------------------ coming into being

    async def create(
        self,
        name: str,
        id: str | None,
        settings: LobbySettings,
        *,
        maker: Maker | None = None,
    ) -> ServedLobby:
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
            self._holdings.add(record.id, maker)
        try:
            if superfluous is not None:
                logger.info("Lobby %s gives its place to another one.", superfluous)
                await self.close(superfluous, "Nobody came, and others needed the place.")
            return await self._make(record)
        except BaseException:
            self._holdings.remove(record.id)
            raise
        finally:
            self._opening.discard(record.id)

    def _place(self, maker: Maker | None) -> str | None:
        """Find a place for one more lobby: a free one (None), or that of the lobby that is returned."""
        free = MAX_LOBBIES - self._places
        if maker is not None:
            self._holdings.check(maker, max(free, 1))
        if free > 0:
            return None
        unused = [
            lobby_id
            for lobby_id, vacancy in self._vacancies.items()
            if not vacancy.used and not self._served[lobby_id].door.waiting
        ]
        found = self._holdings.gives_way(maker, unused) if maker is not None else None
        if found is None:
            raise SignalingError(
                "There are too many lobbies.", hint="Try again later.", code="too_many", retryable=True
            )
        return found

    @property
    def _places(self) -> int:
        """How many are taken, by those that are being opened, too."""
        return len(self._rooms.keys() | self._opening)

    async def _make(self, record: LobbyRecord) -> ServedLobby:
        if not await self._keeper.take(record.id):
            raise _taken(record.id)
        if record.id in self._unopened:
            await self._keeper.delete(record.id)
            self._unopened.discard(record.id)
            await self._keeper.take(record.id)
        elif await self._keeper.knows(record.id):
            await self._keeper.drop(record.id)
            raise _taken(record.id)
        try:
            return await self._open(record)
        except BaseException:
            await self._keeper.drop(record.id)
            raise

    async def create_for_browser(
        self, name: str, slug: str | None, settings: LobbySettings, maker: Maker
    ) -> ServedLobby:
        """One that ends when it stays empty. Raises as `create`."""
        if slug == DEMO_LOBBY:  # else somebody would own it at the next start of a server that has one
            raise _taken(slug)
        served = await self.create(name, slug, settings, maker=maker)
        self._watch(served.room, unused=self._limits.unused_lobby)
        return served

    async def restore(self, leave_out: Collection[str] = ()) -> None:
        """Open those that are kept and that no other server serves, without their agents."""
        self._left_out = leave_out
        for record in await self._store.lobbies():
            if self._places >= MAX_LOBBIES:
                logger.warning("Lobby %s is not opened: there are %d already.", record.id, MAX_LOBBIES)
            else:
                await self._restore(record)

    async def adopt(self, record: LobbyRecord) -> None:
        """Go on with a lobby that no server serves any more, if there is room. Raises StoreError."""
        if self._places >= MAX_LOBBIES or record.id in {*self._rooms, *self._unopened, *self._opening}:
            return
        self._opening.add(record.id)
        try:
            served = await self._restore(record)
        finally:
            self._opening.discard(record.id)
        if served is not None:
            logger.info("Lobby %s had no server: it goes on here.", record.id)
            self._spawn(served.restore_agents(), f"restore the agents of {record.id}")

    async def _restore(self, record: LobbyRecord) -> ServedLobby | None:
        if record.id in self._left_out or not await self._keeper.take(record.id):
            return None
        try:
            return await self._reopen(record)
        except StoreError:  # says nothing about the lobby
            await self._keeper.drop(record.id)
            raise
        except Exception as error:  # one that cannot be opened does not cost the others
            logger.warning("Lobby %s is kept, but cannot be opened: %s", record.id, error)
            self._unopened.add(record.id)
            await self._keeper.drop(record.id)
            return None

    async def restore_agents(self) -> None:
        """Let the agents of restored lobbies come back; returns when the models, theirs too, are loaded."""
        await asyncio.gather(*(served.restore_agents() for served in self._served.values()))

    async def _reopen(self, record: LobbyRecord) -> ServedLobby:
        """A kept lobby, its bans, and the seats of those who were in it until just now."""
        now = time.time()
        bans, sessions = await self._store.bans(record.id), await self._store.seats(record.id)
        served = await self._open(record, bans, version=record.version + RESTORED)
        if now - record.saved <= SEATS_KEPT:
            seated = [one for one in sessions if one.seat and one.expires > now]
            served.reseat([(self._sessions.restore(one), one.seat) for one in seated if one.seat])
        if record.closes_when_empty:
            if record.hosts:  # where its maker was is not written down
                self._holdings.add(record.id, Maker(record.hosts[0]))
            self._watch(served.room, unused=self._limits.empty_lobby)
        return served

    def _new_id(self, wish: str | None) -> str:
        lobby_id = wish if wish is not None else secrets.token_urlsafe(16)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,48}", lobby_id):
            raise SignalingError(
                f"{lobby_id!r} is no lobby id.", hint="Use 1 to 48 letters, digits, - and _.", code="bad_id"
            )
        if lobby_id in self._rooms or lobby_id in self._opening:
            raise _taken(lobby_id)
        return lobby_id

    async def _open(
        self, record: LobbyRecord, bans: Sequence[BanRecord] = (), *, version: int = 0
    ) -> ServedLobby:
        """A lobby as its record says, without agents and people. Raises SignalingError (`bad_name`)."""
        settings = LobbySettings.model_validate(dict(record.settings))
        room = self._make_room(Lobby(record.id, record.name, settings=settings, version=version))
        await room.open()
        self._rooms[record.id] = room
        served = self._served[record.id] = ServedLobby(
            room,
            clock=self._clock,
            ice=self._ice,
            limits=self._limits,
            keeper=self._keeper,
            record=record,
            bans=bans,
            reports=self._reports,
            epoch_base=int(time.time() * 1000),
        )
        served.negotiations.watch(self._telemetry.connections(room.host_peer))
        room.subscribe(lambda event: self._telemetry.follow(room.log, event))
        self._keeper.keep(served)
        return served

    # ------------------------------------------------------------ ending

    async def close(self, lobby_id: str, reason: str = "") -> None:
        """End a lobby for everyone in it and forget it; one that is not there is no error."""
        await self._end(lobby_id, reason)
        await self._keeper.delete(lobby_id)

    async def close_all(self, reason: str) -> None:
        """End every lobby for good."""
        for lobby_id in list(self._rooms):
            await self.close(lobby_id, reason)

    async def end_all(self, reason: str) -> None:
        """End every lobby here; they are kept, and people are told nothing."""
        for lobby_id in list(self._rooms):
            await self._end(lobby_id, reason, for_good=False)

    async def _end(self, lobby_id: str, reason: str, *, for_good: bool = True) -> None:
        served, room = self._served.pop(lobby_id, None), self._rooms.pop(lobby_id, None)
        self._holdings.remove(lobby_id)
        vacancy = self._vacancies.pop(lobby_id, None)
        if vacancy is not None:
            vacancy.close()
        if served is not None:
            await served.close(reason, for_good=for_good)
        if room is not None:
            await room.close(reason)

    def _lose(self, lobby_id: str) -> None:
        """Another server has this lobby now: who is here finds it there, by way of a new socket."""
        served = self._served.get(lobby_id)
        if served is not None and self._store.shared:
            for browser in (*(one for _, one in served.seats.items()), *served.doorway.browsers):
                self._sessions.give_up(browser)
                if browser.outbox is not None:
                    browser.outbox.close(SERVICE_RESTART, "another server goes on with the lobby")
        self._spawn(
            self._end(lobby_id, "Another server goes on with it.", for_good=False), f"lose {lobby_id}"
        )

    def _watch(self, room: RoomPort, unused: float) -> None:
        """Close the room's lobby when nobody has been in it for a while, and let its agents go before."""
        lobby_id = room.lobby.id

        def expired() -> None:
            self._spawn(self.close(lobby_id, "Nobody was here."), f"close {lobby_id}")

        async def let_go() -> None:
            for agent in room.lobby.agents:
                await room.remove(agent.id)

        self._vacancies[lobby_id] = Vacancy(
            room.lobby,
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
        for lobby_id, room in list(self._rooms.items()):
            if not everyone and room.host_peer != getattr(notice, "host_id", None):
                continue
            try:
                room.on_notice(notice)
                if lobby_id in self._served:
                    self._served[lobby_id].negotiations.on_notice(notice)
            except Exception:  # one lobby's trouble is not the others'
                logger.exception("Lobby %s failed on %r", lobby_id, type(notice).__name__)


def _taken(lobby_id: str) -> SignalingError:
    return SignalingError(
        f"There is a lobby {lobby_id!r} already.", hint="Choose another id.", code="id_taken"
    )
