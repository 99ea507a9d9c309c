"""Simulated people that a notebook lets speak."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from voicebot.errors import ModelError
from voicebot.events import (
    Event,
    LatencyMeasured,
    PlayoutFinished,
    PlayoutInterrupted,
    TranscriptFinal,
)
from voicebot.experiment.guest import Guest
from voicebot.tts.base import TTS, VoiceStyle

if TYPE_CHECKING:
    from voicebot.workbench.session import Session

CLEAR_VOICE = "flite:slt"
"""What a guest speaks with where it is installed: the embedded recogniser understands it,
while it understands little of espeak-ng's voices."""

QUIET = 1.0
"""Seconds after an answer in which nobody goes on: then the exchange is over."""


@dataclass(frozen=True)
class Said:
    """What came of one sentence of a guest."""

    text: str
    """What was said."""
    heard: str
    """What the speech-to-text model understood; "" when nothing."""
    answers: tuple[tuple[str, str], ...]
    """(agent's name, what it was heard to say), in order; empty when nobody answered in time."""
    latency: float | None
    """Seconds from the last sample said to the first sample of the answer, as measured."""

    def __str__(self) -> str:
        lines = [f"heard: {self.heard or 'nothing'}"]
        lines += [f"{name}: {text}" for name, text in self.answers] or ["nobody answered"]
        if self.latency is not None:
            lines.append(f"answered after {self.latency * 1000:.0f} ms")
        return "\n".join(lines)


class Speaking:
    """The guests of one session, by name."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._guests: dict[str, Guest] = {}
        self._one_at_a_time = asyncio.Lock()
        self._joining = asyncio.Lock()

    async def guest(self, name: str) -> Guest:
        """The guest of that name; joins when it is not there (any more)."""
        async with self._joining:
            if name not in self._guests:
                self._guests[name] = Guest(
                    self._session.local_url,
                    self._session.room.lobby.id,
                    name=name,
                    tts=await self._clear_voice(),
                    style=VoiceStyle(seed=len(self._guests)),
                )
            return await self._guests[name].join()

    async def say(self, text: str, *, name: str, within: float) -> Said:
        """See `Workbench.say`."""
        async with self._one_at_a_time:
            guest = await self.guest(name)
            await guest.connected()
            await self.quiet(within)  # a polite guest lets them finish greeting it
            listening = _Listening(guest.id)
            unsubscribe = self._session.room.subscribe(listening.on_event)
            try:
                await guest.say(text)
                await listening.over(within)
            finally:
                unsubscribe()
        names = self._session.panel.people
        return Said(
            text,
            " ".join(listening.heard),
            tuple((names.get(agent_id).name, heard) for agent_id, heard in listening.answers),
            listening.latency,
        )

    async def quiet(self, within: float) -> None:
        """Wait until no agent thinks or speaks, `within` seconds at the longest."""
        changed = asyncio.Event()
        unsubscribe = self._session.room.subscribe(lambda _: changed.set())
        try:
            async with asyncio.timeout(within):
                while True:
                    changed.clear()
                    busy = any(
                        a.state in ("thinking", "speaking") for a in self._session.room.agents.values()
                    )
                    try:
                        await asyncio.wait_for(changed.wait(), None if busy else QUIET)
                    except TimeoutError:
                        return
        except TimeoutError:
            return
        finally:
            unsubscribe()

    async def leave(self, name: str | None = None) -> None:
        """One guest, or all of them, leave."""
        for known in [name] if name is not None else list(self._guests):
            if known in self._guests:
                await self._guests[known].leave()
                self._guests.pop(known, None)

    async def _clear_voice(self) -> TTS:
        try:
            voice = await self._session.hosting.models.get("tts", CLEAR_VOICE)
        except ModelError:
            return self._session.hosting.models.tts
        return cast("TTS", voice)


class _Listening:
    """Collects what follows a guest's sentence."""

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
        """Wait for an answer and the quiet after it, `within` seconds at the longest."""
        try:
            async with asyncio.timeout(within):
                while True:
                    self._changed.clear()
                    wait = self._changed.wait()
                    if not self.answers:
                        await wait
                        continue
                    try:
                        await asyncio.wait_for(wait, QUIET)
                    except TimeoutError:
                        return
        except TimeoutError:
            return
