"""Scripted STT, LLM and TTS backends. `assert_consumed` fails if a script was not used up.

stt = ScriptedSTT(["hello ada"])
llm = ScriptedLLM([["Hello ", "there."]])
tts = ScriptedTTS()
models = Models(settings, stt=stt, tts=tts, llm=llm)
...
assert_consumed(stt, llm, tts)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from voicebot.llm.lines import ChatHistory, ScriptedCall
from voicebot.registry import Availability, Progress, no_progress
from voicebot.settings import Settings
from voicebot.stt.base import STT_RATE, TimedWord, Transcription
from voicebot.tts.base import VoiceStyle

if TYPE_CHECKING:
    from agents.models.interface import Model


class ScriptError(AssertionError):
    """A script was not used up, or it was too short."""


class _Scripted:
    """What the three backends share."""

    name = "scripted"

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.closed = False

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return ()

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        return Availability("ready", "a script")

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        return cls()

    async def aclose(self) -> None:
        self.closed = True

    def left(self) -> int:
        """Number of unused steps."""
        return 0

    def assert_consumed(self) -> None:
        """Raise ScriptError if steps are left or were missing."""
        problems = [*self.problems, *([f"{self.left()} steps left"] if self.left() else [])]
        if problems:
            raise ScriptError(f"{self.name}: {'; '.join(problems)}")


def assert_consumed(*scripted: _Scripted) -> None:
    """Check several scripts. Raises ScriptError."""
    for one in scripted:
        one.assert_consumed()


@dataclass(frozen=True)
class Hears:
    """One utterance in an STT script."""

    text: str
    interim: Sequence[str] = ()
    """Interim texts, one per quarter second of audio."""
    drafts: Sequence[str] | None = None
    """The texts at its first pause, its second one and so on, then nothing. With None, always all of it."""
    error: Exception | None = None
    """Raised by `finish`."""
    gate: asyncio.Event | None = None
    """`finish` waits for it."""


class ScriptedSTT(_Scripted):
    """Gives each stream the next step. A string is a final text, an exception a failure of `finish`."""

    name = "scripted-stt"

    def __init__(self, script: Sequence[str | Hears | Exception] = ()) -> None:
        super().__init__()
        self._script = [_hears(step) for step in script]
        self.streams: list[ScriptedSTTStream] = []

    def left(self) -> int:
        return len(self._script)

    def stream(self) -> ScriptedSTTStream:
        if not self._script:
            self.problems.append("an utterance more than the script has")
            raise ScriptError(self.problems[-1])
        stream = ScriptedSTTStream(self._script.pop(0))
        self.streams.append(stream)
        return stream


class ScriptedSTTStream:
    """One utterance. `pcm` has its audio, and `seconds` the length."""

    def __init__(self, step: Hears) -> None:
        self._step = step
        self.seconds = 0.0
        self.pcm: list[NDArray[np.int16]] = []
        self.finished = self.cancelled = False
        self.drafts = 0

    def push(self, pcm: NDArray[np.int16]) -> None:
        self.pcm.append(pcm)
        self.seconds += len(pcm) / STT_RATE

    def interim(self) -> Transcription | None:
        known = int(self.seconds / 0.25)
        texts = self._step.interim[:known]
        return Transcription(texts[-1]) if texts else None

    async def draft(self) -> Transcription:
        """The scripted draft; without one, what `finish` gives, with its gate and its error."""
        self.drafts += 1
        if self._step.drafts is not None:
            known = self._step.drafts[self.drafts - 1 : self.drafts]
            return Transcription(known[0] if known else "", (), "en")
        return Transcription(await self._text(), (), "en")

    async def finish(self) -> Transcription:
        self.finished = True
        texts = (await self._text()).split()
        each = self.seconds / max(1, len(texts))
        words = tuple(TimedWord(text, i * each, (i + 1) * each) for i, text in enumerate(texts))
        return Transcription(self._step.text, words, "en")

    async def _text(self) -> str:
        if self._step.gate is not None:
            await self._step.gate.wait()
        if self._step.error is not None:
            raise self._step.error
        return self._step.text

    def cancel(self) -> None:
        self.cancelled = True


Step = str | float | asyncio.Event | Exception | ScriptedCall
"""A step of an answer: text, seconds to wait, an event to await, an error to raise, or a tool to call."""


@dataclass
class LLMCall:
    """A request to the model."""

    instructions: str
    lines: ChatHistory
    finished: bool = False


class ScriptedLLM(_Scripted):
    """Gives each call the next answer, a string or steps, through the real openai-agents runner."""

    name = "scripted-llm"
    notice = ""

    def __init__(self, script: Sequence[str | Sequence[Step]] = (), *, name: str = "scripted-llm") -> None:
        super().__init__()
        self.name = name
        self._script = [[answer] if isinstance(answer, str) else list(answer) for answer in script]
        self.calls: list[LLMCall] = []

    def left(self) -> int:
        return len(self._script)

    def model(self) -> Model:
        from voicebot.llm.models import TextModel

        return TextModel(self.name, self._write)

    async def _write(self, instructions: str, lines: ChatHistory) -> AsyncIterator[str | ScriptedCall]:
        call = LLMCall(instructions, lines)
        self.calls.append(call)
        if not self._script:
            self.problems.append(f"an answer more than the script has, to {lines[-1:]}")
            raise ScriptError(self.problems[-1])
        for step in self._script.pop(0):
            if isinstance(step, str | ScriptedCall):
                yield step
            elif isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, Exception):
                raise step
            else:
                await asyncio.sleep(step)
        call.finished = True


@dataclass
class ScriptedTTS(_Scripted):
    """Turns any text into a tone of 0.05 s per character, in two chunks (mono int16)."""

    name: str = "scripted-tts"
    sample_rate: int = 16_000
    delay: float = 0.0
    """Seconds before the first audio of a sentence."""
    failures: Mapping[int, Exception] = field(default_factory=dict)
    """The errors to raise, by the number of the call from 0."""

    def __post_init__(self) -> None:
        super().__init__()
        self.spoken: list[str] = []
        self.styles: list[VoiceStyle] = []

    def left(self) -> int:
        return sum(call >= len(self.spoken) for call in self.failures)

    async def synthesize(self, text: str, style: VoiceStyle) -> AsyncIterator[NDArray[np.int16]]:
        call = len(self.spoken)
        self.spoken.append(text)
        self.styles.append(style)
        await asyncio.sleep(self.delay)
        if call in self.failures:
            raise self.failures[call]
        samples = round(len(text) * 0.05 * self.sample_rate)
        tone = (8000 * np.sin(np.arange(samples) * 2 * np.pi * 220 / self.sample_rate)).astype(np.int16)
        for part in np.array_split(tone, 2):
            yield part


def _hears(step: str | Hears | Exception) -> Hears:
    if isinstance(step, Exception):
        return Hears("", error=step)
    return Hears(step) if isinstance(step, str) else step
