"""The media plane on the caller's own loop, for tests and for programs that do nothing else on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voicebot.clock import Clock, monotonic
from voicebot.errors import MediaError
from voicebot.media.base import Answer, Command, HearingSettings, Notice, OnNotice, PeerOffer
from voicebot.media.engine import Engine
from voicebot.media.host import Host, HostContext
from voicebot.vad.base import VAD
from voicebot.vad.silero import SileroVAD


class InlineMediaPlane:
    """A `MediaPlane` without a process of its own, so a blocked loop silences it."""

    def __init__(
        self,
        *,
        vad: VAD | None = None,
        clock: Clock = monotonic,
        new_host: Callable[[HostContext, str, HearingSettings], Host] = Host,
    ) -> None:
        """Without `vad` it loads Silero."""
        self._vad = vad
        self._clock = clock
        self._new_host = new_host
        self._engine: Engine | None = None
        self._early: list[Command] = []
        """Commands that were sent before the start."""

    async def start(self, on_notice: OnNotice) -> None:
        """Start on the running loop. Raises ModelError without a detector, MediaError if it has started."""
        if self._engine is not None:
            raise MediaError("The media plane has already been started.")
        loop = asyncio.get_running_loop()

        def later(notice: Notice) -> None:
            loop.call_soon(on_notice, notice)  # never inside the command that caused it

        vad = self._vad or SileroVAD()
        self._engine = Engine(later, vad=vad, clock=self._clock, new_host=self._new_host)
        for command in self._early:
            self._engine.carry_out(command)
        self._early.clear()

    @property
    def alive(self) -> bool:
        return self._engine is not None

    async def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.aclose()

    def abandon(self) -> None:
        """Do nothing, because nothing runs outside the loop."""

    @property
    def engine(self) -> Engine:
        """The engine; raises MediaError before `start`."""
        if self._engine is None:
            raise MediaError("The media plane has not been started.", hint="Await start() first.")
        return self._engine

    def send(self, command: Command) -> None:
        if self._engine is None:
            self._early.append(command)
        else:
            self._engine.carry_out(command)

    async def answer(self, offer: PeerOffer) -> Answer:
        return await self.engine.answer(offer)
