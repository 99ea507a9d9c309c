"""The composition root: builds and runs a server from settings.

It runs inside any asyncio loop: a notebook kernel's or that of `voicebot serve`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from voicebot.agent.models.models import Models
from voicebot.agent.session import AgentSession
from voicebot.clock import Clock, monotonic
from voicebot.conversation.log import ConversationLog
from voicebot.conversation.quota import MIB
from voicebot.conversation.space import GIB, Space, SpaceLimits
from voicebot.conversation.stall import Stall, StallMonitor
from voicebot.errors import StoreError, VoicebotError
from voicebot.events import LoopStall
from voicebot.lobby.lobby import Lobby
from voicebot.media.base import MediaGone, MediaPlane, MediaStats, Notice
from voicebot.registry import Progress, backend_class, no_progress, split_spec
from voicebot.rtc.ice_servers.resolver import TurnResolver
from voicebot.server.app import create_app
from voicebot.server.cluster.cluster import Cluster
from voicebot.server.endpoints.services import Services
from voicebot.server.endpoints.static_client import STATIC, StaticClient
from voicebot.server.lobby.controller import LobbyController
from voicebot.server.lobby.lobbies import Lobbies
from voicebot.server.lobby.moderator import Moderator
from voicebot.server.net.addresses import Addresses
from voicebot.server.net.drain import Drain
from voicebot.server.net.limits import Limits
from voicebot.server.net.listening import QuietServer, bind, make_server
from voicebot.server.net.rate_limits import RateLimits
from voicebot.server.net.security import SessionCookie
from voicebot.server.sessions.sessions import Sessions
from voicebot.server.telemetry.measured_store import measured
from voicebot.server.telemetry.metrics import Amounts, Present
from voicebot.server.telemetry.telemetry import Telemetry
from voicebot.server.telemetry.tracing import open_tracing
from voicebot.settings import EVERYWHERE, Settings
from voicebot.signaling.messages import LobbySettings
from voicebot.signaling.turn import IcePlan, ice_plan
from voicebot.signaling.turn_uri import default_routes, parse_addresses
from voicebot.store import open_store
from voicebot.store.base import ReportRecord, Store
from voicebot.store.memory import MemoryStore
from voicebot.store.shared import shared
from voicebot.tasks import cancel

logger = logging.getLogger(__name__)

STORE_TIMEOUT = 2.0
"""Seconds within which the store must answer for the server to be ready."""
SPACE_INTERVAL = 5.0
"""Seconds between measurements of the disk."""


class Hosting:
    """A voice server with its lobbies, agents, models and media plane.

    It can be started again after `stop`, unless it was given a media plane, which starts only once.

    `media`, `models`, `make_agent_session`, `space` and `store` replace the real parts, in tests for example.
    """

    def __init__(
        self,
        settings: Settings,
        media: MediaPlane | None = None,
        *,
        models: Models | None = None,
        make_agent_session: Callable[..., AgentSession] = AgentSession,
        store: Store | None = None,
        demo: bool = True,
        progress: Progress = no_progress,
        clock: Clock = monotonic,
        limits: Limits | None = None,
        static: Path = STATIC,
        space: SpaceLimits | None = None,
    ) -> None:
        self.settings = settings
        self.demo = demo
        self._given_media, self._given_models = media, models
        self._agent_session_type = make_agent_session
        self._drain = Drain(clock)
        self.telemetry = Telemetry(clock)
        self._given_store = store
        self._store = measured(store or MemoryStore(), self.telemetry)
        self._progress, self._clock, self._limits = progress, clock, limits or Limits()
        self._static = StaticClient(static)
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._media: MediaPlane | None = None
        self._resolver: TurnResolver | None = None
        self._models: Models | None = None
        self._socket: socket.socket | None = None
        self._server: QuietServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._cluster: Cluster | None = None
        self._ready = False
        self._space = Space()
        self._space_limits = space or SpaceLimits(
            settings.data_dir / "conversations",
            reserve=settings.disk_reserve_mib * MIB,
            quota=int(settings.conversations_gib * GIB),
        )
        self._ice_key = secrets.token_bytes(32)
        self._wire()
        self._stalls = StallMonitor(self._stalled, clock=clock, on_beat=self.telemetry.metrics.lag.observe)
        self._media_stats: MediaStats | None = None
        self.telemetry.metrics.registry.register(Present(self._gauges, lambda: self._media_stats))
        self.on_stall: Callable[[Stall], None] | None = None
        """Called on the loop after it was blocked. Running conversations log that in any case."""

    # ------------------------------------------------------------ properties

    @property
    def running(self) -> bool:
        """Whether the server has started and has not been stopped."""
        return self._ready

    @property
    def port(self) -> int:
        """The port that the server listens on; before `start`, the one in the settings."""
        return self._socket.getsockname()[1] if self._socket is not None else self.settings.port

    @property
    def url(self) -> str:
        """PUBLIC_URL, or else the address to open on this machine; it ends in a slash."""
        if self.settings.public_url:
            return self.settings.public_url.rstrip("/") + "/"
        host = self.settings.host
        if host in {*EVERYWHERE, "127.0.0.1", "::1"}:
            host = "localhost"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    @property
    def agent_sessions(self) -> dict[str, AgentSession]:
        """The agent sessions of all lobbies by lobby id."""
        return {id: controller.agent_session for id, controller in self._lobbies.controllers.items()}

    @property
    def models(self) -> Models:
        """The models in use. Raises VoicebotError before `start`."""
        if self._models is None:
            raise VoicebotError("The server has not been started.", hint="await start() first.")
        return self._models

    @property
    def people(self) -> int:
        """Number of people in lobbies, including those who are reconnecting."""
        return sum(len(agent_session.lobby.humans) for agent_session in self.agent_sessions.values())

    @property
    def client_built(self) -> bool:
        """Whether the browser client is built, so that its page can be served."""
        return self._static.built

    def controller(self, lobby_id: str) -> LobbyController:
        """Return the controller of a lobby. Raises KeyError if there is no such lobby."""
        return self._lobbies.controllers[lobby_id]

    def lobby_url(self, lobby_id: str) -> str:
        """Return the address of a lobby, to open in a browser."""
        return f"{self.url}?lobby={lobby_id}"

    def ice(self, user: str) -> IcePlan:
        """Return fresh ICE servers for a user."""
        # keyed, so that coturn's log does not reveal who used a relay
        opaque = hashlib.blake2b(user.encode(), key=self._ice_key, digest_size=8).hexdigest()
        secret = self.settings.coturn_secret.get_secret_value()
        routes = self._resolver.routes if self._resolver is not None else default_routes
        return ice_plan(self.settings.coturn_server, secret, opaque, time.time(), routes)

    # ------------------------------------------------------------ starting and stopping

    async def start(self) -> None:
        """Start serving the stored lobbies, then start the media plane, load the models, restore the agents
        and open the demo lobby.

        Raises:
            SettingsError: HOST, PORT or COTURN_SERVER is wrong.
            StoreError: the data folder is not writable, or the store fails.
            ModelError: a model that the settings name cannot be loaded.
            MediaError: the media plane cannot start.
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
        self._drain.end()
        self.telemetry.tracing = open_tracing()
        warning = self.ice("check").warning
        if warning:
            logger.warning(warning)
        check_writable(self.settings.data_dir)
        self._socket = bind(self.settings.host, self.settings.port)
        self._resolver = TurnResolver(parse_addresses(self.settings.coturn_server))
        self._models = self._given_models or Models(self.settings)
        self._media = self._given_media or _real_media(self.settings)
        self._resolver.start()
        await self._open_store()
        await self._lobbies.restore()
        # people can reconnect and talk to each other from now on; the agents follow
        app = create_app(self._services(self._models))
        self._server = make_server(app, self._limits)
        if self._cluster is not None:
            await self._cluster.start(app)
        self._serving = asyncio.create_task(self._server.run_on(self._socket), name="voicebot web server")
        await self._server.listening.wait()
        if self._serving.done():
            self._serving.result()
        await self._load(self._models, self._media, self._resolver)
        if self._lobbies.demo is not None:
            await self._lobbies.demo.open()
        self._stalls.start()
        self._spawn(self._watch_space(), "watch the disk")
        self._ready = True

    async def _open_store(self) -> None:
        if self._given_store is None:
            self._store = measured(await open_store(self.settings), self.telemetry)
        self._wire()
        self._sessions.start()
        self._lobbies.persistence.start()

    def _wire(self) -> None:
        """Create sessions and lobbies on the current store."""
        self._sessions = Sessions(self._store, self._clock, lifetime=self.settings.session_hours * 3600)
        self._lobbies = Lobbies(
            self._store,
            self._sessions,
            make_agent_session=self._make_agent_session,
            ice=self.ice,
            limits=self._limits,
            telemetry=self.telemetry,
            clock=self._clock,
            spawn=self._spawn,
            demo=self.demo,
        )

    def _make_agent_session(self, lobby: Lobby) -> AgentSession:
        assert self._media is not None
        assert self._models is not None
        agent_session = self._agent_session_type(
            lobby, media=self._media, models=self._models, settings=self.settings, clock=self._clock
        )
        agent_session.set_space(self._space)
        return agent_session

    async def _load(self, models: Models, media: MediaPlane, resolver: TurnResolver) -> None:
        """Start the media plane first and restore the agents, so that people connect to them while the
        models load."""

        async def restore() -> None:
            await resolver.ready()
            await self._lobbies.restore_agents()

        restoring = asyncio.create_task(restore(), name="restore agents")
        try:
            await media.start(self._on_notice)
            with self.telemetry.span("load models"):
                await models.start(self._progress)
            await restoring
        finally:
            restoring.cancel()
            await asyncio.gather(restoring, return_exceptions=True)

    async def drain(self, seconds: float) -> None:
        """Admit nobody new, tell everybody, and wait at most `seconds` until no people are left.

        After that, agents may finish what they are saying. Call `stop` next. With 0, do not wait.
        """
        if self._ready and not self._drain.active:
            self._drain.begin(seconds, returning=self._store.durable)
            self._sessions.broadcast(self._drain.going_away())
            if self._cluster is not None:
                self._cluster.socket_proxy.broadcast(self._drain.going_away())
            await self._drain.wait(
                lambda: [agent_session.lobby for agent_session in self.agent_sessions.values()]
            )

    async def stop(self) -> None:
        """Stop the server, the media plane and the models. Safe to call twice.

        Lobbies, agents and seats are back at the next `start`. With STORE=memory every lobby is closed.
        """
        await self.drain(0.0)
        async with self._lock:
            await self._stop()

    def abandon(self) -> None:
        """Free the port. For a loop that will not run again; the media process ends by itself."""
        self._ready = False
        if self._media is not None:
            self._media.abandon()
        if self._socket is not None:
            self._socket.close()
        if self._given_store is None:
            self._store.abandon()
        self._server = self._serving = self._socket = self._media = self._cluster = None

    async def _stop(self) -> None:
        self._ready = False
        self._stalls.stop()
        if self._store.durable:
            await self._lobbies.persistence.flush()  # first, because somebody may kill the process
            await self._sessions.writer.flush()
            await self._hang_up()
            await self._lobbies.persistence.aclose()
            await self._sessions.aclose()  # what ends from here on stays in the store
            await self._lobbies.end_all("The server was stopped.", for_good=False)
        else:
            await self._lobbies.end_all("The server was stopped.", for_good=True)
            await self._hang_up()
        await cancel(self._tasks)
        await self._sessions.aclose()
        await self._lobbies.persistence.aclose()
        if self._given_store is None:
            await self._store.aclose()
            self._store = MemoryStore()
        if self._media is not None:
            await self._media.close()
        if self._models is not None:
            await self._models.aclose()
        self._server = self._serving = self._socket = self._media = self._models = None
        self._media_stats = None
        if self.telemetry.tracing is not None:
            await self.telemetry.tracing.aclose()
            self.telemetry.tracing = None

    async def _hang_up(self) -> None:
        """Stop listening, and close every socket with 1012, forwarded ones included."""
        if self._cluster is not None:
            await self._cluster.aclose()
            self._cluster = None
        if self._server is not None:
            self._server.should_exit = True
        if self._serving is not None:
            await asyncio.gather(self._serving, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()

    # ------------------------------------------------------------ health

    async def problems(self) -> dict[str, str]:
        """Return what keeps people from coming in, by part: server, draining, models, media, store."""
        found: dict[str, str] = {}
        if not self._ready:
            found["server"] = "The server is starting or stopping."
        if self._drain.active:
            found["draining"] = f"The server stops in {self._drain.seconds_left:.0f} s."
        if self._models is None or not self._models.started:
            found["models"] = "The models are not loaded yet."
        if self._media is None or not self._media.alive:
            found["media"] = "The media plane is not running. It restarts by itself."
        try:
            async with asyncio.timeout(STORE_TIMEOUT):
                await self._store.get_session("readiness")
        except (StoreError, TimeoutError) as error:
            found["store"] = str(error) or f"The store did not answer within {STORE_TIMEOUT:g} s."
        return found

    def warnings(self) -> dict[str, str]:
        """Return problems that do not keep people out, by part: recording."""
        return {"recording": self._space.problem} if self._space.problem else {}

    async def _watch_space(self) -> None:
        """Measure the disk regularly; log changes and pass them to every agent session."""
        while True:
            space = await asyncio.to_thread(self._space_limits.measure)
            if bool(space.problem) != bool(self._space.problem):
                if space.problem:
                    logger.error("Recording has stopped: %s", space.problem)
                else:
                    logger.warning("The disk has space again: recording continues.")
            self._space = space
            for agent_session in self.agent_sessions.values():
                agent_session.set_space(space)
            await asyncio.sleep(SPACE_INTERVAL)

    def _gauges(self) -> dict[str, Amounts]:
        """The values for `voicebot.server.telemetry.metrics.PRESENT`."""
        agent_sessions = list(self.agent_sessions.values())
        people = [person for agent_session in agent_sessions for person in agent_session.lobby.humans]
        waiting = [outbox.waiting for outbox in self._sessions.outboxes]
        return {
            "ready": self._ready and not self._drain.active,
            "draining": self._drain.active,
            "recording": self._space.recordings,
            "sessions": self._sessions.count,
            "lobbies": len(agent_sessions),
            "participants": {
                "human": len(people),
                "agent": sum(len(agent_session.lobby.agents) for agent_session in agent_sessions),
            },
            "reconnecting": sum(person.presence == "reconnecting" for person in people),
            "forwarded": self._cluster.nodes.forwarded if self._cluster is not None else 0,
            "conversations": len(self._open_logs()),
            "outbox_messages": sum(waiting),
            "outbox_longest": max(waiting, default=0),
            "model_queue": self._models.waiting if self._models is not None else {},
        }

    def _open_logs(self) -> list[ConversationLog]:
        logs = [agent_session.log for agent_session in self.agent_sessions.values()]
        return [log for log in logs if log is not None and not log.closed]

    # ------------------------------------------------------------ lobbies

    async def create_lobby(
        self, name: str, id: str | None = None, *, settings: LobbySettings | None = None
    ) -> AgentSession:
        """Create a lobby. Without `id` it gets one that cannot be guessed; without `settings` it is open.

        Raises:
            SignalingError: the name or id is invalid, the id is taken, or there are too many lobbies.
        """
        if self._media is None or self._models is None:
            raise VoicebotError("The server has not been started.", hint="await start() first.")
        return (await self._lobbies.create(name, id, settings or LobbySettings())).agent_session

    def moderate(self, lobby_id: str) -> Moderator:
        """Return the moderator of a lobby, for the operator. Raises KeyError if there is no such lobby."""
        return self.controller(lobby_id).moderator

    async def reports(self, lobby_id: str | None = None) -> list[ReportRecord]:
        """Return the reports of people in this lobby, or in all lobbies, oldest first."""
        return await self._store.reports(lobby_id)

    async def close_lobby(self, lobby_id: str, reason: str = "") -> None:
        """End a lobby for everyone in it. Does nothing if it does not exist."""
        await self._lobbies.close(lobby_id, reason)

    # ------------------------------------------------------------ wiring

    def _stalled(self, stall: Stall) -> None:
        self.telemetry.metrics.stalls.observe(stall.seconds)
        for log in self._open_logs():
            log.emit(LoopStall(seconds=stall.seconds, where=stall.where))
        if self.on_stall is not None:
            self.on_stall(stall)

    def _on_notice(self, notice: Notice) -> None:
        if isinstance(notice, MediaStats):
            self._media_stats = notice
            return
        if isinstance(notice, MediaGone):
            logger.warning("The media plane stopped: %s. It is being restarted.", notice.reason)
            self.telemetry.metrics.restarts.inc()
        self._lobbies.on_notice(notice)

    def _services(self, models: Models) -> Services:
        store = shared(self._store)
        cookie = SessionCookie(self.port if store is None else None)
        if store is not None:
            self._cluster = Cluster(
                store,
                self._sessions,
                self._lobbies,
                clock=self._clock,
                limits=self._limits,
                drain=self._drain,
                ready=lambda: self._ready,
            )
        return Services(
            sessions=self._sessions,
            cookie=cookie,
            lobbies=self._lobbies,
            models=models,
            progress=self._progress,
            conversations=self.settings.data_dir / "conversations",
            ice=self.ice,
            problems=self.problems,
            warnings=self.warnings,
            spawn=self._spawn,
            client=self._static,
            addresses=Addresses(self.settings.public_url, self.settings.host),
            clock=self._clock,
            limits=self._limits,
            rate_limits=RateLimits(self._limits, self._clock),
            telemetry=self.telemetry,
            drain=self._drain,
            cluster=self._cluster,
            metrics_token=self.settings.metrics_token.get_secret_value(),
        )

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def check_writable(folder: Path) -> None:
    """Create the data folder and try to write to it. Raises StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise StoreError(
            f"The data folder {folder} is not writable: {error.strerror or error}.",
            hint="Set DATA_DIR to a folder that you may write to, or change its permissions.",
        ) from None


def _real_media(settings: Settings) -> MediaPlane:
    from voicebot.media.process.plane import ProcessMediaPlane

    backend_class("vad", split_spec(settings.vad_model)[0])  # fails on a wrong name before a process starts
    return ProcessMediaPlane(vad=settings.vad_model, log_level=settings.log_level)
