from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from voicebot.agent import Agent, AgentSession, Models
from voicebot.events import AgentStateEvent, Event, TranscriptFinal
from voicebot.lobby.lobby import Lobby
from voicebot.media.base import PlayoutEnded
from voicebot.settings import Settings
from voicebot.signaling.messages import ParticipantInfo
from voicebot.testing.media import FakeMediaPlane
from voicebot.testing.models import Hears, ScriptedLLM, ScriptedSTT, ScriptedTTS, Step, assert_consumed

E = TypeVar("E", bound=Event)


class Stage:
    """A session on a fake media plane with scripted models, in virtual time; no LLM unless `loaded`."""

    def __init__(
        self,
        data_dir: Path,
        *,
        stt: Sequence[str | Hears | Exception] = (),
        llm: Sequence[str | Sequence[Step]] = (),
        tts: ScriptedTTS | None = None,
        loaded: bool = True,
        **settings: object,
    ) -> None:
        self.media = FakeMediaPlane()
        self.stt, self.llm, self.tts = ScriptedSTT(stt), ScriptedLLM(llm), tts or ScriptedTTS()
        settings.setdefault("endpointing", "fixed")  # so that tests can tell when a turn ends
        self.settings = Settings(_env_file=None, data_dir=data_dir, **settings)  # type: ignore[call-arg, arg-type]
        self.models = Models(self.settings, stt=self.stt, tts=self.tts, llm=self.llm if loaded else None)
        self.lobby = Lobby("demo", "Demo")
        self.session = AgentSession(
            self.lobby,
            media=self.media,
            models=self.models,
            settings=self.settings,
            clock=asyncio.get_running_loop().time,
            wall=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        )
        self.events: list[Event] = []
        self._changed = asyncio.Event()
        self.session.subscribe(self._on_event)

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    async def __aenter__(self) -> Stage:
        self._open = self.running()
        await self._open.__aenter__()
        return self

    async def __aexit__(self, kind: object, *error: object) -> None:
        await self._open.__aexit__(None, None, None)
        if kind is None:
            assert_consumed(self.stt, self.llm, self.tts)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Like the stage itself, but scripts need not be used up."""
        await self.media.start(self.session.on_notice)
        await self.session.open()
        try:
            yield
        finally:
            await self.session.close()
            await self.media.close()

    async def agent(self, who: str = "Ada, a guide", greeting: str = "") -> Agent:
        from voicebot.persona import create_persona

        taken = [agent.persona for agent in self.session.agents.values()]
        persona = create_persona(who, taken=taken).model_copy(update={"greeting": greeting})
        return await self.session.spawn(persona)

    async def person(self, id: str = "anna", name: str = "Anna") -> None:
        self.session.join(ParticipantInfo(id=id, name=name, kind="human"))
        await self.session.connections.answer(id, 1, "offer", {"0": id})

    async def wait(self, kind: type[E], where: Callable[[E], bool] = lambda event: True, count: int = 1) -> E:
        """Wait for the count-th event of this kind, counting past ones."""
        async with asyncio.timeout(120):
            while True:
                found = [e for e in self.events if isinstance(e, kind) and where(e)]
                if len(found) >= count:
                    return found[count - 1]
                self._changed.clear()
                await self._changed.wait()

    async def said(self, agent: Agent, count: int = 1) -> str:
        """Wait until the agent's count-th speech is over and the floor is free; returns what people heard."""
        final = await self.wait(TranscriptFinal, lambda e: e.participant_id == agent.id, count)
        await self.wait(
            AgentStateEvent,
            lambda e: e.participant_id == agent.id and e.seq > final.seq and e.state != "speaking",
        )
        return final.text

    async def ended(self, count: int = 1) -> PlayoutEnded:
        return await self.media.wait_for(PlayoutEnded, count=count)

    def of(self, kind: type[E]) -> list[E]:
        return [e for e in self.events if isinstance(e, kind)]
