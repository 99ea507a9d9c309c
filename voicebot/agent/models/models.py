"""The models in use: chosen at the start, swapped live, shared by all lobbies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast

from voicebot.agent.models.choose import Choice, choose
from voicebot.agent.models.endpoint_model import EndOfTurnModel
from voicebot.agent.models.endpointing import model_path
from voicebot.agent.tools.mcp_servers import McpServers
from voicebot.errors import ModelError, ModelLoadError, one_line
from voicebot.llm.base import LLM
from voicebot.registry import (
    Availability,
    Backend,
    Progress,
    Role,
    backend_class,
    load_backend,
    no_progress,
    providers,
)
from voicebot.settings import Settings
from voicebot.stt.base import STT
from voicebot.tts.base import TTS

logger = logging.getLogger(__name__)

SwapRole = Literal["stt", "tts", "llm"]
ROLES: tuple[SwapRole, ...] = ("stt", "tts", "llm")


@dataclass(frozen=True)
class Option:
    """A model that can be offered, and whether it could be used now."""

    spec: str
    availability: Availability


@dataclass(frozen=True)
class Swapped:
    """`role` now uses `new`; turns that already run finish with `old` ("": it had none)."""

    role: SwapRole
    old: str
    new: str


class Models:
    """One loaded backend per role, and others by name for single agents.

    Backends may be given ready made (tests, notebooks); else `start` chooses them. What was
    loaded once stays loaded until `aclose`: turns that run finish with it, and it can be
    swapped back in at once.
    """

    def __init__(
        self, settings: Settings, *, stt: STT | None = None, tts: TTS | None = None, llm: LLM | None = None
    ) -> None:
        self._settings = settings
        self.mcp = McpServers(settings.mcp_config)
        """Tools that agents may be given; connected when one is."""
        self._current: dict[Role, Backend] = {}
        self._loaded: dict[tuple[Role, str], Backend] = {}
        self._locks: dict[tuple[Role, str], asyncio.Lock] = {}
        self._subscribers: list[Callable[[Swapped], None]] = []
        self._closings = 0
        self._complete = asyncio.Event()
        self.chosen: dict[Role, Choice] = {}
        self.end_of_turn: EndOfTurnModel | None = None
        """The learned model that ENDPOINTING=onnx:... names, once it is loaded."""
        given: dict[Role, Backend | None] = {"stt": stt, "tts": tts, "llm": llm}
        for role, backend in given.items():
            if backend is not None:
                self._use(role, backend, Choice(backend.name, "given"))

    @property
    def stt(self) -> STT:
        """The speech-to-text model now; take it once per utterance. Raises ModelError before `start`."""
        return cast(STT, self._now("stt"))

    @property
    def tts(self) -> TTS:
        """The text-to-speech model now; take it once per turn. Raises ModelError before `start`."""
        return cast(TTS, self._now("tts"))

    @property
    def llm(self) -> LLM:
        """The language model now; take it once per turn. Raises ModelError before `start`."""
        return cast(LLM, self._now("llm"))

    @property
    def started(self) -> bool:
        return all(role in self._current for role in ROLES)

    @property
    def waiting(self) -> dict[str, float]:
        """How much waits for each model that tells it (an optional attribute `waiting`, a number)."""
        told = {role: getattr(model, "waiting", None) for role, model in self._current.items()}
        return {role: float(count) for role, count in told.items() if isinstance(count, int | float)}

    async def wait_until_started(self) -> None:
        """Until there is a model for each role."""
        await self._complete.wait()

    async def start(self, progress: Progress = no_progress) -> None:
        """Choose and load what is not given yet. Safe to call again.

        A server that does not answer now is a warning in `chosen`: it may be there later.

        Raises:
            ModelError: a model that the settings name (ENDPOINTING included) cannot be loaded; what still
            loads is given up.
        """
        # side by side: one waits for its process or its download while another is imported
        loads = [
            asyncio.create_task(self._load(role, progress), name=f"load {role}")
            for role in ROLES
            if role not in self._current
        ]
        if model_path(self._settings) and self.end_of_turn is None:
            loads.append(asyncio.create_task(self._load_end_of_turn(progress), name="load end of turn"))
        try:
            await asyncio.gather(*loads)
        finally:
            for load in loads:
                load.cancel()
            await asyncio.gather(*loads, return_exceptions=True)

    async def _load(self, role: SwapRole, progress: Progress) -> None:
        choice, backend = await choose(role, self._settings, progress)
        found = await _check(backend)
        warning = "" if found.status == "ready" else f"{found.reason}. {found.hint}".strip()
        self._use(role, backend, replace(choice, spec=backend.name, warning=warning))
        self._tell(Swapped(role, "", backend.name))

    async def _load_end_of_turn(self, progress: Progress) -> None:
        closings = self._closings
        model = await EndOfTurnModel.load(model_path(self._settings))
        if closings != self._closings:
            await model.aclose()
            raise _closed(model.name)
        self.end_of_turn = model
        progress(f"{model.name} is ready", 1.0)

    async def swap(self, role: SwapRole, spec: str, progress: Progress = no_progress) -> Choice:
        """Load `spec` beside the present model and use it from the next turn on.

        On any failure the present model stays in use and the error is raised.

        Raises:
            UnknownModel, MissingDependency, ModelLoadError: see `load_backend`.
        """
        if role not in ROLES:
            raise ModelError(f"There is no role {role!r}.", hint=f"Use one of {', '.join(ROLES)}.")
        backend = await self.ready(role, spec, progress)
        old = self._current.get(role)
        choice = Choice(backend.name, "swapped in")
        self._use(role, backend, choice)
        self._tell(Swapped(role, old.name if old is not None else "", backend.name))
        return choice

    async def ready(self, role: Role, spec: str, progress: Progress = no_progress) -> Backend:
        """As `get`, but also what the backend depends on, such as a server, is there now.

        Raises:
            UnknownModel, MissingDependency, ModelLoadError: see `load_backend`.
        """
        closings = self._closings
        backend = await self.get(role, spec, progress)
        found = await _check(backend)
        if found.status != "ready":
            raise ModelLoadError(f"{found.reason}.", hint=found.hint)
        if closings != self._closings:  # and with it `backend`
            raise _closed(spec)
        return backend

    async def get(self, role: Role, spec: str, progress: Progress = no_progress) -> Backend:
        """A loaded backend by name, loaded once however often asked for."""
        key = (role, spec.strip())
        async with self._locks.setdefault(key, asyncio.Lock()):
            backend = self._loaded.get(key)
            if backend is None:
                closings = self._closings
                loaded = await load_backend(role, spec, self._settings, progress)
                if closings != self._closings:
                    await loaded.aclose()
                    raise _closed(spec)
                # "piper" and "piper:en_US-lessac-medium" may be the same model
                backend = self._loaded.setdefault((role, loaded.name), loaded)
                self._loaded[key] = backend
                if backend is not loaded:
                    await loaded.aclose()
            return backend

    def options(self, role: Role) -> list[Option]:
        """Every announced model of a role that is worth offering, the one in use first. Cheap."""
        options: list[Option] = []
        if (backend := self._current.get(role)) is not None:
            options.append(Option(backend.name, Availability("ready", "in use")))
        known = providers(role)
        for provider in known:
            try:
                cls = backend_class(role, provider, known)
                for model in cls.known_models(self._settings) or ("",):
                    spec = f"{provider}:{model}" if model else provider
                    if all(option.spec != spec for option in options):
                        options.append(Option(spec, cls.availability(model, self._settings)))
            except ModelError as error:
                options.append(Option(provider, Availability("missing", error.message, error.hint)))
            except Exception as error:  # a third party's class may raise anything
                options.append(Option(provider, Availability("missing", f"fails: {one_line(error)}")))
        return options

    def subscribe(self, fn: Callable[[Swapped], None]) -> Callable[[], None]:
        """Call `fn` after every swap and whatever `start` loads; returns what ends that."""
        self._subscribers.append(fn)

        def unsubscribe() -> None:
            if fn in self._subscribers:
                self._subscribers.remove(fn)

        return unsubscribe

    async def aclose(self) -> None:
        """Free every backend. Safe to call twice."""
        self._closings += 1
        end_of_turn, self.end_of_turn = self.end_of_turn, None
        if end_of_turn is not None:
            await end_of_turn.aclose()
        backends = {id(b): b for b in (*self._loaded.values(), *self._current.values())}
        self._loaded.clear()
        self._current.clear()
        self.chosen.clear()
        self._complete.clear()
        await self.mcp.aclose()
        for backend in backends.values():
            try:
                await backend.aclose()
            except Exception:  # the others still have to be closed
                logger.exception("%s did not close", backend.name)

    def _now(self, role: Role) -> Backend:
        backend = self._current.get(role)
        if backend is None:
            raise ModelError(
                f"No {role.upper()} model is loaded yet.", hint="Await models.start() first.", retryable=True
            )
        return backend

    def _use(self, role: Role, backend: Backend, choice: Choice) -> None:
        self._current[role] = backend
        self._loaded.setdefault((role, backend.name), backend)
        self.chosen[role] = choice
        if self.started:
            self._complete.set()

    def _tell(self, event: Swapped) -> None:
        for fn in list(self._subscribers):
            try:
                fn(event)
            except Exception:  # an observer never stops a swap
                logger.exception("An observer of the models failed on %r", event)


def _closed(spec: str) -> ModelError:
    return ModelError(f"{spec} is not used: the models were closed while it was loaded.")


async def _check(backend: Backend) -> Availability:
    """Whether what a loaded backend depends on, such as a server, is there now."""
    check = getattr(backend, "check", None)
    return Availability("ready", "") if check is None else cast(Availability, await check())
