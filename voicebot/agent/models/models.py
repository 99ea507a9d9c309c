"""The models in use. All lobbies share them, and each can be swapped while it is used."""

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
from voicebot.tasks import cancel
from voicebot.tts.base import TTS

logger = logging.getLogger(__name__)

SwapRole = Literal["stt", "tts", "llm"]
ROLES: tuple[SwapRole, ...] = ("stt", "tts", "llm")


@dataclass(frozen=True)
class Option:
    """A model to offer, and whether it is available now."""

    spec: str
    availability: Availability


@dataclass(frozen=True)
class Swapped:
    """`role` now uses `new`. Current turns finish with `old`, which is "" if there was none."""

    role: SwapRole
    old: str
    new: str


class Models:
    """The loaded backends: one for each role, and others by name for single agents.

    Tests and notebooks may pass loaded backends; `start` chooses the others. A backend stays loaded until
    `aclose`, so that turns can finish with it and it can be swapped in again at once.
    """

    def __init__(
        self, settings: Settings, *, stt: STT | None = None, tts: TTS | None = None, llm: LLM | None = None
    ) -> None:
        self._settings = settings
        self.mcp = McpServers(settings.mcp_config)
        """The MCP servers whose tools agents may be given."""
        self._current: dict[Role, Backend] = {}
        self._loaded: dict[tuple[Role, str], Backend] = {}
        self._locks: dict[tuple[Role, str], asyncio.Lock] = {}
        self._subscribers: list[Callable[[Swapped], None]] = []
        self._closings = 0
        self._complete = asyncio.Event()
        self.chosen: dict[Role, Choice] = {}
        self.end_of_turn: EndOfTurnModel | None = None
        """The learned model that ENDPOINTING=onnx:... names; None until it is loaded."""
        given: dict[Role, Backend | None] = {"stt": stt, "tts": tts, "llm": llm}
        for role, backend in given.items():
            if backend is not None:
                self._use(role, backend, Choice(backend.name, "given"))

    @property
    def stt(self) -> STT:
        """The current speech-to-text model; take it once per utterance. Raises ModelError before `start`."""
        return cast(STT, self._loaded_for("stt"))

    @property
    def tts(self) -> TTS:
        """The current text-to-speech model; take it once per turn. Raises ModelError before `start`."""
        return cast(TTS, self._loaded_for("tts"))

    @property
    def llm(self) -> LLM:
        """The current language model; take it once per turn. Raises ModelError before `start`."""
        return cast(LLM, self._loaded_for("llm"))

    @property
    def started(self) -> bool:
        """Whether there is a model for each role."""
        return all(role in self._current for role in ROLES)

    @property
    def waiting(self) -> dict[str, float]:
        """The queue length of each model that has the optional attribute `waiting`, a number."""
        waiting = {role: getattr(model, "waiting", None) for role, model in self._current.items()}
        return {role: float(count) for role, count in waiting.items() if isinstance(count, int | float)}

    async def wait_until_started(self) -> None:
        """Wait until there is a model for each role."""
        await self._complete.wait()

    async def start(self, progress: Progress = no_progress) -> None:
        """Choose and load the models that are still missing. Safe to call twice.

        A model whose server does not answer is used with a warning in `chosen`.

        Raises:
            ModelError: A model that the settings name, including ENDPOINTING, cannot be loaded. This also
                cancels the other loads.
        """
        # in parallel: one waits for its process or its download while another is imported
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
            await cancel(loads)

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
        """Load the model `spec` and use it from the next turn on. After an error the old one stays in use.

        Raises:
            UnknownModel, MissingDependency, ModelLoadError: See `load_backend`.
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
        """Like `get`, but also check that what the backend depends on, such as a server, is available.

        Raises:
            UnknownModel, MissingDependency, ModelLoadError: See `load_backend`.
        """
        closings = self._closings
        backend = await self.get(role, spec, progress)
        found = await _check(backend)
        if found.status != "ready":
            raise ModelLoadError(f"{found.reason}.", hint=found.hint)
        if closings != self._closings:  # `backend` was closed, too
            raise _closed(spec)
        return backend

    async def get(self, role: Role, spec: str, progress: Progress = no_progress) -> Backend:
        """The backend with this name. It is loaded only once. Raises what `load_backend` raises."""
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
        """All known models of a role, the one in use first. Offline and quick."""
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
        """Call `fn` after every swap and every load by `start`; returns a function that ends this."""
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

    def _loaded_for(self, role: Role) -> Backend:
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
            except Exception:  # an observer must not stop a swap
                logger.exception("An observer of the models failed on %r", event)


def _closed(spec: str) -> ModelError:
    return ModelError(
        f"{spec} is not in use: the models were closed while it was loading.",
        hint="Start the models again, then load it.",
    )


async def _check(backend: Backend) -> Availability:
    """Whether what a loaded backend depends on, such as a server, is available now."""
    check = getattr(backend, "check", None)
    return Availability("ready", "") if check is None else cast(Availability, await check())
