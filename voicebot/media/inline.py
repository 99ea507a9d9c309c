"""The media plane on the caller's own loop: for tests, and where nothing else shares the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voicebot.clock import Clock, monotonic
from voicebot.errors import MediaError
from voicebot.media.base import Answer, HearingSettings, IceServerConfig, Notice, OnNotice
from voicebot.media.engine import Engine
from voicebot.vad.base import VAD
from voicebot.vad.silero import SileroVAD


class InlineMediaPlane:
    """A `MediaPlane` without a process of its own: a blocked loop silences it."""

    def __init__(self, *, vad: VAD | None = None, clock: Clock = monotonic) -> None:
        self._vad = vad
        self._clock = clock
        self._engine: Engine | None = None
        self._early: list[Callable[[Engine], None]] = []
        """Commands from before the start."""

    async def start(self, on_notice: OnNotice) -> None:
        """Load the voice activity detector. Raises ModelError or MediaError when started twice."""
        if self._engine is not None:
            raise MediaError("The media plane has been started already.")
        loop = asyncio.get_running_loop()

        def later(notice: Notice) -> None:
            loop.call_soon(on_notice, notice)  # never inside the command that caused it

        self._engine = Engine(later, vad=self._vad or SileroVAD(), clock=self._clock)
        for command in self._early:
            command(self._engine)
        self._early.clear()

    @property
    def alive(self) -> bool:
        return self._engine is not None

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.aclose()

    def abandon(self) -> None:
        """Nothing of it runs outside the loop."""

    @property
    def engine(self) -> Engine:
        """The engine; raises MediaError before `start`."""
        if self._engine is None:
            raise MediaError("The media plane has not been started.", hint="Await start() first.")
        return self._engine

    def open_host(self, host_id: str, hearing: HearingSettings) -> None:
        self._command(lambda engine: engine.open_host(host_id, hearing))

    def close_host(self, host_id: str) -> None:
        self._command(lambda engine: engine.close_host(host_id))

    async def answer(
        self,
        host_id: str,
        peer_id: str,
        epoch: int,
        sdp: str,
        tracks: Mapping[str, str],
        ice_servers: Sequence[IceServerConfig],
    ) -> Answer:
        return await self.engine.answer(host_id, peer_id, epoch, sdp, tracks, ice_servers)

    def add_candidate(
        self, host_id: str, peer_id: str, epoch: int, candidate: str, sdp_mid: str | None, index: int | None
    ) -> None:
        self.engine.add_candidate(host_id, peer_id, epoch, candidate, sdp_mid, index)

    def close_peer(self, host_id: str, peer_id: str) -> None:
        self._command(lambda engine: engine.close_peer(host_id, peer_id))

    def await_silence(self, host_id: str, participant_id: str, until: float) -> None:
        self.engine.await_silence(host_id, participant_id, until)

    def add_agent(self, host_id: str, agent_id: str) -> None:
        self._command(lambda engine: engine.add_agent(host_id, agent_id))

    def remove_agent(self, host_id: str, agent_id: str) -> None:
        self._command(lambda engine: engine.remove_agent(host_id, agent_id))

    def say(
        self,
        host_id: str,
        agent_id: str,
        speech_id: str,
        index: int,
        pcm: NDArray[np.int16],
        sample_rate: int,
        held: bool = False,
    ) -> None:
        self.engine.say(host_id, agent_id, speech_id, index, pcm, sample_rate, held)

    def end(self, host_id: str, agent_id: str, speech_id: str) -> None:
        self.engine.end(host_id, agent_id, speech_id)

    def hold(self, host_id: str, agent_id: str, speech_id: str, by: str) -> None:
        self.engine.hold(host_id, agent_id, speech_id, by)

    def resume(self, host_id: str, agent_id: str, speech_id: str) -> None:
        self.engine.resume(host_id, agent_id, speech_id)

    def stop(self, host_id: str, agent_id: str, speech_id: str) -> None:
        self.engine.stop(host_id, agent_id, speech_id)

    def record(self, host_id: str, participant_id: str, path: Path, origin: float) -> None:
        self._command(lambda engine: engine.record(host_id, participant_id, path, origin))

    def stop_recording(self, host_id: str, participant_id: str) -> None:
        self._command(lambda engine: engine.stop_recording(host_id, participant_id))

    def _command(self, command: Callable[[Engine], None]) -> None:
        """Hosts may be set up before the start, as they may with a worker."""
        if self._engine is None:
            self._early.append(command)
        else:
            command(self._engine)
