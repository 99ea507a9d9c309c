"""The composition root: settings in, a running server with rooms, models and media out.

Runs inside any running asyncio loop: a notebook kernel's or that of `voicebot serve`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import MappingProxyType
from typing import Any

from voicebot.agent.models import Models
from voicebot.clock import Clock, monotonic
from voicebot.conversation.stall import Stall, StallMonitor
from voicebot.errors import SignalingError, StoreError, VoicebotError
from voicebot.events import LoopStall
from voicebot.lobby.lobby import Lobby
from voicebot.lobby.moderation import ReportLimit
from voicebot.media.base import MediaGone, MediaPlane, MediaStats, Notice
from voicebot.registry import Progress, backend_class, no_progress, split_spec
from voicebot.rtc.resolver import TurnResolver
from voicebot.server.addresses import Addresses
from voicebot.server.app import create_app
from voicebot.server.drain import Drain
from voicebot.server.floods import Floods
from voicebot.server.limits import Limits
from voicebot.server.listening import QuietServer, bind, make_server
from voicebot.server.measured_store import measured
from voicebot.server.metrics import Present
from voicebot.server.moderator import Moderator
from voicebot.server.ports import RoomPort
from voicebot.server.security import SessionCookie
from voicebot.server.served_lobby import ServedLobby
from voicebot.server.services import Services
from voicebot.server.sessions import Sessions
from voicebot.server.static_client import STATIC, StaticClient
from voicebot.server.telemetry import Telemetry
from voicebot.server.tracing import open_tracing
from voicebot.server.vacancy import Vacancy
from voicebot.settings import EVERYWHERE, Settings
from voicebot.signaling.messages import LobbySettings
from voicebot.signaling.turn import IcePlan, ice_plan
from voicebot.signaling.turn_uri import default_routes, parse_addresses
from voicebot.store.base import LobbyRecord, ReportRecord, Store
from voicebot.store.memory import MemoryStore

logger = logging.getLogger(__name__)

DEMO_LOBBY = "demo"
DEMO_PERSONA = "Ada, a friendly and curious guide who answers briefly and likes to ask back"
MAX_LOBBIES = 200
STORE_PATIENCE = 2.0
"""Seconds in which the store must answer for the server to be ready."""
RoomFactory = Callable[[Lobby, MediaPlane, Models, Settings, Clock], RoomPort]


class Hosting:
    """One running server. It can be started again after `stop`, unless it was given a media plane,
    which starts only once.

    `media`, `models`, `room` and `store` replace the real parts (tests, special hosts).
    """

    def __init__(
        self,
        settings: Settings,
        media: MediaPlane | None = None,
        *,
        models: Models | None = None,
        room: RoomFactory | None = None,
        store: Store | None = None,
        demo: bool = True,
        progress: Progress = no_progress,
        clock: Clock = monotonic,
        limits: Limits | None = None,
        static: Path = STATIC,
    ) -> None:
        self.settings = settings
        self.demo = demo
        self._given_media, self._given_models = media, models
        self._room_factory = room or _real_room
        self._drain = Drain(clock)
        self.telemetry = Telemetry(clock)
        """What is counted, timed and traced."""
        self._store = measured(store or MemoryStore(), self.telemetry)
        self._progress, self._clock, self._limits = progress, clock, limits or Limits()
        self._static = StaticClient(static)
        self._served: dict[str, ServedLobby] = {}
        self._rooms: dict[str, RoomPort] = {}
        self._vacancies: dict[str, Vacancy] = {}
        self._sessions = Sessions(self._store, self._clock)
        self._reports = ReportLimit()
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._media: MediaPlane | None = None
        self._resolver: TurnResolver | None = None
        self._models: Models | None = None
        self._socket: socket.socket | None = None
        self._server: QuietServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._ready = False
        self._ice_key = secrets.token_bytes(32)
        self._epoch_base = int(time.time() * 1000)  # above those of a server that was restarted
        self._stalls = StallMonitor(self._stalled, clock=clock, on_beat=self.telemetry.metrics.lag.observe)
        self._media_stats: MediaStats | None = None
        self.telemetry.metrics.registry.register(Present(self._present, lambda: self._media_stats))
        self.on_stall: Callable[[Stall], None] | None = None
        """Called on the loop when it had not run for a while; running conversations log it anyway."""

    # ------------------------------------------------------------ what it is

    @property
    def running(self) -> bool:
        return self._ready

    @property
    def port(self) -> int:
        """The port that is listened on; the asked one until `start`."""
        return self._socket.getsockname()[1] if self._socket is not None else self.settings.port

    @property
    def url(self) -> str:
        """What to open on this machine, ending in a slash (or PUBLIC_URL when it is set)."""
        if self.settings.public_url:
            return self.settings.public_url.rstrip("/") + "/"
        host = self.settings.host
        if host in {*EVERYWHERE, "127.0.0.1", "::1"}:
            host = "localhost"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    @property
    def rooms(self) -> MappingProxyType[str, RoomPort]:
        """By lobby id; a live, read-only view."""
        return MappingProxyType(self._rooms)

    @property
    def models(self) -> Models:
        """Raises VoicebotError before `start`."""
        if self._models is None:
            raise VoicebotError("The server has not been started.", hint="await start() first.")
        return self._models

    @property
    def people(self) -> int:
        """How many are in lobbies, those who are reconnecting among them."""
        return sum(len(room.lobby.humans) for room in self._rooms.values())

    @property
    def client_built(self) -> bool:
        return self._static.built

    def served(self, lobby_id: str) -> ServedLobby:
        """The browsers' side of a lobby. Raises KeyError."""
        return self._served[lobby_id]

    def lobby_url(self, lobby_id: str) -> str:
        return f"{self.url}?lobby={lobby_id}"

    def ice(self, user: str) -> IcePlan:
        """Fresh ICE servers for an opaque user name."""
        # keyed, so that nobody who reads coturn's log can tell whose relay it was
        opaque = hashlib.blake2b(user.encode(), key=self._ice_key, digest_size=8).hexdigest()
        secret = self.settings.coturn_secret.get_secret_value()
        routes = self._resolver.routes if self._resolver is not None else default_routes
        return ice_plan(self.settings.coturn_server, secret, opaque, time.time(), routes)

    # ------------------------------------------------------------ starting and stopping

    async def start(self) -> None:
        """Check the data folder, listen, load the models, start the media plane, open the demo lobby.

        Raises:
            SettingsError: HOST, PORT or COTURN_SERVER is wrong.
            StoreError: the data folder cannot be written.
            ModelError: a model that the settings name cannot be loaded.
            MediaError: the media plane does not start.
        """
        async with self._lock:
            if self._ready:
                return
            try:
                await self._start()
            except BaseException:
                await self._stop()
                raise

    async def _start(self) -> None:
        self._drain.over()
        self.telemetry.tracing = open_tracing()
        warning = self.ice("check").warning
        if warning:
            logger.warning(warning)
        check_writable(self.settings.data_dir)
        self._socket = bind(self.settings.host, self.settings.port)
        self._resolver = TurnResolver(parse_addresses(self.settings.coturn_server))
        self._models = self._given_models or Models(self.settings)
        self._resolver.start()
        with self.telemetry.span("load models"):
            await self._models.start(self._progress)
        await self._resolver.ready()
        self._media = self._given_media or _real_media(self.settings)
        await self._media.start(self._on_notice)
        self._sessions = Sessions(self._store, self._clock, lifetime=self.settings.session_hours * 3600)
        self._sessions.start()
        self._server = make_server(create_app(self._services()), self._limits)
        self._serving = asyncio.create_task(self._server.run_on(self._socket), name="voicebot web server")
        await self._server.listening.wait()
        if self._serving.done():
            self._serving.result()
        if self.demo:
            room = await self.create_lobby("Demo", DEMO_LOBBY)
            await room.spawn(DEMO_PERSONA)
        self._stalls.start()
        self._ready = True

    async def drain(self, seconds: float) -> None:
        """Take nobody new, say so, and wait until no people are left, at most `seconds`; then `stop`.

        Agents may finish what they are saying when the time is over. With 0 seconds nothing is waited for.
        """
        if self._ready and not self._drain.active:
            self._drain.begin(seconds, returning=False)
            self._sessions.tell(self._drain.farewell())
            await self._drain.wait(lambda: [served.lobby for served in self._served.values()])

    async def stop(self) -> None:
        """Close every lobby, the server, the media plane and the models. Safe to call twice."""
        await self.drain(0.0)
        async with self._lock:
            await self._stop()

    def abandon(self) -> None:
        """The loop will not run again: free the port, and let the media worker finish and end by itself."""
        self._ready = False
        if self._media is not None:
            self._media.abandon()
        if self._socket is not None:
            self._socket.close()
        self._server = self._serving = self._socket = self._media = None

    async def _stop(self) -> None:
        self._ready = False
        self._stalls.stop()
        for served in list(self._served.values()):
            await self.close_lobby(served.lobby.id, "The server was stopped.")
        if self._server is not None:
            self._server.should_exit = True
        if self._serving is not None:
            await asyncio.gather(self._serving, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sessions.aclose()
        if self._media is not None:
            await self._media.close()
        if self._models is not None:
            await self._models.aclose()
        self._server = self._serving = self._socket = self._media = self._models = None
        self._media_stats = None
        if self.telemetry.tracing is not None:
            await self.telemetry.tracing.aclose()
            self.telemetry.tracing = None

    # ------------------------------------------------------------ health

    async def problems(self) -> dict[str, str]:
        """What keeps people from coming in, by part: server, draining, models, media, store."""
        found: dict[str, str] = {}
        if not self._ready:
            found["server"] = "It is starting or stopping."
        if self._drain.active:
            found["draining"] = f"It stops in {self._drain.seconds_left:.0f} s."
        if self._models is None or not self._models.started:
            found["models"] = "They are not loaded."
        if self._media is None or not self._media.alive:
            found["media"] = "The media plane is not running (it is started again by itself)."
        try:
            async with asyncio.timeout(STORE_PATIENCE):
                await self._store.get_session("readiness")
        except (StoreError, TimeoutError) as error:
            found["store"] = str(error) or f"It gave no answer in {STORE_PATIENCE:g} s."
        return found

    def _present(self) -> dict[str, float]:
        """For `voicebot.server.metrics.PRESENT`."""
        rooms = list(self._rooms.values())
        people = [person for room in rooms for person in room.lobby.humans]
        return {
            "ready": float(self._ready and not self._drain.active),
            "draining": float(self._drain.active),
            "sessions": float(self._sessions.count),
            "lobbies": float(len(rooms)),
            "participants:human": float(len(people)),
            "participants:agent": float(sum(len(room.lobby.agents) for room in rooms)),
            "reconnecting": float(sum(person.presence == "reconnecting" for person in people)),
            "conversations": float(sum(room.log is not None and not room.log.closed for room in rooms)),
        }

    # ------------------------------------------------------------ lobbies

    async def create_lobby(
        self, name: str, id: str | None = None, *, settings: LobbySettings | None = None
    ) -> RoomPort:
        """A new room. Without `id` it gets one that cannot be guessed; without `settings` it is open.

        Raises:
            SignalingError: the name or id is not usable, the id is taken, or there are too many.
        """
        lobby_id = self._new_id(id)
        chosen = (settings or LobbySettings()).model_dump()
        return await self._open(LobbyRecord(lobby_id, name, settings=chosen))

    def _new_id(self, wish: str | None) -> str:
        """Raises SignalingError: `bad_id`, `id_taken`, or `too_many` lobbies."""
        if self._media is None or self._models is None:
            raise VoicebotError("The server has not been started.", hint="await start() first.")
        lobby_id = wish if wish is not None else secrets.token_urlsafe(16)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,48}", lobby_id):
            raise SignalingError(
                f"{lobby_id!r} is no lobby id.", hint="Use 1 to 48 letters, digits, - and _.", code="bad_id"
            )
        if lobby_id in self._rooms:
            raise SignalingError(
                f"There is a lobby {lobby_id!r} already.", hint="Choose another id.", code="id_taken"
            )
        if len(self._rooms) >= MAX_LOBBIES:
            raise SignalingError(
                "There are too many lobbies.", hint="Try again later.", code="too_many", retryable=True
            )
        return lobby_id

    async def _open(self, record: LobbyRecord) -> RoomPort:
        """A room as its record says. Raises SignalingError (`bad_name`)."""
        assert self._media is not None  # _new_id has asked
        assert self._models is not None
        lobby_id = record.id
        lobby = Lobby(lobby_id, record.name, settings=LobbySettings.model_validate(dict(record.settings)))
        room = self._room_factory(lobby, self._media, self._models, self.settings, self._clock)
        self._rooms[lobby_id] = room
        try:
            await room.open()
            await self._store.put_lobby(record)
        except BaseException:
            del self._rooms[lobby_id]
            raise
        served = ServedLobby(
            room,
            clock=self._clock,
            ice=self.ice,
            limits=self._limits,
            record=record,
            reports=self._reports,
            epoch_base=self._epoch_base,
        )
        served.negotiations.watch(self.telemetry.connections(room.host_peer))
        room.subscribe(lambda event: self.telemetry.follow(room.log, event))
        self._served[lobby_id] = served
        return room

    def moderate(self, lobby_id: str) -> Moderator:
        """Everything a host of this lobby may do, without being in it. Raises KeyError."""
        return self._served[lobby_id].moderator

    async def reports(self, lobby_id: str | None = None) -> list[ReportRecord]:
        """What people have reported, oldest first; of all lobbies when none is named."""
        return await self._store.reports(lobby_id)

    async def close_lobby(self, lobby_id: str, reason: str = "") -> None:
        """End a lobby for everyone in it; one that is not there is no error."""
        served, room = self._served.pop(lobby_id, None), self._rooms.pop(lobby_id, None)
        vacancy = self._vacancies.pop(lobby_id, None)
        if vacancy is not None:
            vacancy.close()
        if served is not None:
            await served.close(reason)
        if room is not None:
            await room.close(reason)
        await self._store.delete_lobby(lobby_id)

    async def _create_served(
        self, name: str, slug: str | None, settings: LobbySettings, host: str
    ) -> ServedLobby:
        """For a browser: such a lobby ends when it stays empty."""
        lobby_id = self._new_id(slug)
        chosen = settings.model_dump()
        record = LobbyRecord(lobby_id, name, settings=chosen, hosts=(host,), closes_when_empty=True)
        room = await self._open(record)
        self._watch(room)
        return self._served[lobby_id]

    def _watch(self, room: RoomPort) -> None:
        """Close the room's lobby when nobody has been in it for a while, and let its agents go before."""
        lobby_id = room.lobby.id

        def expired() -> None:
            self._spawn(self.close_lobby(lobby_id, "Nobody was here."), f"close {lobby_id}")

        async def let_go() -> None:
            for agent in room.lobby.agents:
                await room.remove(agent.id)

        self._vacancies[lobby_id] = Vacancy(
            room.lobby,
            unused=self._limits.unused_lobby,
            empty=self._limits.empty_lobby,
            agents=self._limits.agents_alone,
            expired=expired,
            lonely=lambda: self._spawn(let_go(), f"let the agents of {lobby_id} go"),
        )

    # ------------------------------------------------------------ wiring

    def _stalled(self, stall: Stall) -> None:
        for room in self._rooms.values():
            if room.log is not None and not room.log.closed:
                room.log.emit(LoopStall(seconds=stall.seconds, where=stall.where))
        if self.on_stall is not None:
            self.on_stall(stall)

    def _on_notice(self, notice: Notice) -> None:
        if isinstance(notice, MediaStats):
            self._media_stats = notice
            return
        if isinstance(notice, MediaGone):
            logger.warning("The media plane stopped: %s. It is started again.", notice.reason)
            self.telemetry.metrics.restarts.inc()
            concerned = list(self._rooms)
        else:
            concerned = [id for id, room in self._rooms.items() if room.host_peer == notice.host_id]
        for lobby_id in concerned:
            try:
                self._rooms[lobby_id].on_notice(notice)
                if lobby_id in self._served:
                    self._served[lobby_id].negotiations.on_notice(notice)
            except Exception:  # one lobby's trouble is not the others'
                logger.exception("Lobby %s failed on %r", lobby_id, type(notice).__name__)

    def _services(self) -> Services:
        return Services(
            sessions=self._sessions,
            cookie=SessionCookie(self.port),
            lobbies=MappingProxyType(self._served),
            create_lobby=self._create_served,
            close_lobby=self.close_lobby,
            ice=self.ice,
            swap_stt=self._swap_stt,
            model_names=self._model_names,
            model_options=lambda role: [option.spec for option in self.models.options(role)],
            problems=self.problems,
            spawn=self._spawn,
            client=self._static,
            addresses=Addresses(self.settings.public_url, self.settings.host),
            clock=self._clock,
            limits=self._limits,
            floods=Floods(self._limits, self._clock),
            telemetry=self.telemetry,
            drain=self._drain,
            metrics_token=self.settings.metrics_token.get_secret_value(),
        )

    async def _swap_stt(self, spec: str) -> None:
        await self.models.swap("stt", spec, self._progress)

    def _model_names(self) -> dict[str, str]:
        chosen = self._models.chosen if self._models is not None else {}
        return {role: choice.spec for role, choice in chosen.items()}

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def check_writable(folder: Path) -> None:
    """Make the data folder and write to it. Raises StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".write-test-", dir=folder)
        os.close(handle)
        os.unlink(name)
    except OSError as error:
        raise StoreError(
            f"The data folder {folder} cannot be written: {error.strerror or error}.",
            hint="Set DATA_DIR to a folder you may write to, or change its permissions.",
        ) from None


def _real_media(settings: Settings) -> MediaPlane:
    from voicebot.media.process import ProcessMediaPlane

    backend_class("vad", split_spec(settings.vad_model)[0])  # a wrong name is told before a process is made
    return ProcessMediaPlane(vad=settings.vad_model, log_level=settings.log_level)


def _real_room(lobby: Lobby, media: MediaPlane, models: Models, settings: Settings, clock: Clock) -> RoomPort:
    from voicebot.agent.room import Room

    return Room(lobby, media=media, models=models, settings=settings, clock=clock)
