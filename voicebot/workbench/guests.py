"""Simulated people: a notebook lets them join the lobby and speak."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from voicebot.errors import ModelError
from voicebot.events import Event, LatencyMeasured, PlayoutFinished, PlayoutInterrupted, TranscriptFinal
from voicebot.experiment.guest import Guest
from voicebot.tts.base import TTS, VoiceStyle

if TYPE_CHECKING:
    from voicebot.agent.models.models import Models
    from voicebot.agent.session import AgentSession
    from voicebot.workbench.panes.participants import ShownParticipants

CLEAR_VOICE = "flite:slt"
"""The guests' voice where flite is installed. The built-in recogniser understands it well, and
espeak-ng's voices badly."""

QUIET = 1.0
"""Seconds without an event that end an exchange."""


@dataclass(frozen=True)
class Exchange:
    """One sentence of a guest, and the answers to it."""

    text: str
    """What the guest said."""
    heard: str
    """What the speech-to-text model recognised; "" if it recognised nothing."""
    answers: tuple[tuple[str, str], ...]
    """Pairs of an agent's name and its words that were played, in order. Empty if nobody answered."""
    latency: float | None
    """Seconds from the guest's last sample to the first sample of the answer; None without an answer."""

    def __str__(self) -> str:
        lines = [f"heard: {self.heard or 'nothing'}"]
        lines += [f"{name}: {text}" for name, text in self.answers] or ["nobody answered"]
        if self.latency is not None:
            lines.append(f"answered after {self.latency * 1000:.0f} ms")
        return "\n".join(lines)


class Guests:
    """The simulated people in one lobby, by name.

    Args:
        url: The server's address on this machine.
        agent_session: The agents of the lobby that they join.
        models: The source of their voice.
        participants: The names of the agents that answer.
    """

    def __init__(
        self, url: str, agent_session: AgentSession, models: Models, participants: ShownParticipants
    ) -> None:
        self._url = url
        self._agent_session = agent_session
        self._models = models
        self._participants = participants
        self._guests: dict[str, Guest] = {}
        self._one_at_a_time = asyncio.Lock()
        self._joining = asyncio.Lock()

    async def guest(self, name: str) -> Guest:
        """Return the guest of that name, which joins if it is not in the lobby."""
        async with self._joining:
            if name not in self._guests:
                self._guests[name] = Guest(
                    self._url,
                    self._agent_session.lobby.id,
                    name=name,
                    tts=await self._clear_voice(),
                    style=VoiceStyle(seed=len(self._guests)),
                )
            return await self._guests[name].join()

    async def say(self, text: str, *, name: str, within: float) -> Exchange:
        """See `Workbench.say`."""
        async with self._one_at_a_time:
            guest = await self.guest(name)
            await guest.connected()
            await self.quiet(within)  # let the agents finish their greeting
            listening = _Listening(guest.id)
            unsubscribe = self._agent_session.subscribe(listening.on_event)
            try:
                await guest.say(text)
                await listening.over(within)
            finally:
                unsubscribe()
        return Exchange(
            text,
            " ".join(listening.heard),
            tuple((self._participants.get(agent_id).name, heard) for agent_id, heard in listening.answers),
            listening.latency,
        )

    async def quiet(self, within: float) -> None:
        """Wait until no agent is thinking or speaking, for at most `within` seconds."""
        changed = asyncio.Event()
        unsubscribe = self._agent_session.subscribe(lambda _: changed.set())
        agents = self._agent_session.agents
        try:
            await _silence(
                changed, lambda: any(a.state in ("thinking", "speaking") for a in agents.values()), within
            )
        finally:
            unsubscribe()

    async def leave(self, name: str | None = None) -> None:
        """Let one guest leave; None stands for all of them."""
        for known in [name] if name is not None else list(self._guests):
            if known in self._guests:
                await self._guests[known].leave()
                self._guests.pop(known, None)

    async def _clear_voice(self) -> TTS:
        try:
            voice = await self._models.get("tts", CLEAR_VOICE)
        except ModelError:
            return self._models.tts
        return cast("TTS", voice)


class _Listening:
    """Collects the events that follow a guest's sentence."""

    def __init__(self, guest_id: str) -> None:
        self._guest_id = guest_id
        self.heard: list[str] = []
        self.answers: list[tuple[str, str]] = []
        self.latency: float | None = None
        self._changed = asyncio.Event()

    def on_event(self, event: Event) -> None:
        match event:
            case TranscriptFinal() if event.participant_id == self._guest_id and event.text:
                self.heard.append(event.text)
            case PlayoutFinished() | PlayoutInterrupted():
                self.answers.append((event.participant_id or "", event.heard_text))
            case LatencyMeasured() if not event.cancelled and self.latency is None:
                self.latency = event.e2e_latency
            case _:
                pass
        self._changed.set()

    async def over(self, within: float) -> None:
        """Wait for an answer and the silence after it, for at most `within` seconds."""
        await _silence(self._changed, lambda: not self.answers, within)


async def _silence(changed: asyncio.Event, busy: Callable[[], bool], within: float) -> None:
    """Wait for `QUIET` seconds without a change in which nothing is busy, for at most `within` seconds."""
    with contextlib.suppress(TimeoutError):  # of either wait
        async with asyncio.timeout(within):
            while True:
                changed.clear()
                await asyncio.wait_for(changed.wait(), None if busy() else QUIET)
