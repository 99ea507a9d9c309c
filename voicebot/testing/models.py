"""Scripted STT, LLM and TTS backends: they say what the script says and fail if it is not used up.

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
    """A script was not used up, or more was asked of it than it holds."""


class _Scripted:
    """What the three have in common; loading a script by name makes no sense."""

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
        """Steps of the script that were not used."""
        return 0

    def assert_consumed(self) -> None:
        """Raise ScriptError if steps are left or were missing."""
        problems = [*self.problems, *([f"{self.left()} steps left"] if self.left() else [])]
        if problems:
            raise ScriptError(f"{self.name}: {'; '.join(problems)}")


def assert_consumed(*scripted: _Scripted) -> None:
    """Check several scripts at once."""
    for one in scripted:
        one.assert_consumed()


@dataclass(frozen=True)
class Hears:
    """One utterance of an STT script."""

    text: str
    interim: Sequence[str] = ()
    """Partial texts, a new one with each quarter second of audio."""
    drafts: Sequence[str] | None = None
    """What is known at its first pause, its second one and so on, then nothing; None: all, each time."""
    error: Exception | None = None
    """Raised by `finish`."""
    gate: asyncio.Event | None = None
    """`finish` waits for it."""
    word_times: bool = True


class ScriptedSTT(_Scripted):
    """Each stream takes the next step; a plain string is a final text, an exception a crash at the end."""

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
    """One utterance; `seconds` tells how much audio it was given."""

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
        """As the script has it; without that what `finish` will give, with its error and its gate."""
        self.drafts += 1
        if self._step.drafts is not None:
            known = self._step.drafts[self.drafts - 1 : self.drafts]
            return Transcription(known[0] if known else "", (), "en")
        if self._step.gate is not None:
            await self._step.gate.wait()
        if self._step.error is not None:
            raise self._step.error
        return Transcription(self._step.text, (), "en")

    async def finish(self) -> Transcription:
        self.finished = True
        if self._step.gate is not None:
            await self._step.gate.wait()
        if self._step.error is not None:
            raise self._step.error
        texts = self._step.text.split() if self._step.word_times else []
        each = self.seconds / max(1, len(texts))
        words = tuple(TimedWord(text, i * each, (i + 1) * each) for i, text in enumerate(texts))
        return Transcription(self._step.text, words, "en")

    def cancel(self) -> None:
        self.cancelled = True


Step = str | float | asyncio.Event | Exception | ScriptedCall
"""Of an answer: text to give, seconds to wait, an event to wait for, an error to raise, a tool to call."""


@dataclass
class LLMCall:
    """What a model was asked."""

    instructions: str
    lines: ChatHistory
    finished: bool = False


class ScriptedLLM(_Scripted):
    """Each call takes the next answer: a string, or steps; through the real openai-agents runner."""

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
    """Any text becomes a tone of `seconds_per_character`; `failures` maps the n-th call to an error."""

    name: str = "scripted-tts"
    sample_rate: int = 16_000
    seconds_per_character: float = 0.05
    delay: float = 0.0
    """Seconds before the first audio of a sentence."""
    failures: Mapping[int, Exception] = field(default_factory=dict)
    chunks: int = 2

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
        samples = round(len(text) * self.seconds_per_character * self.sample_rate)
        tone = (8000 * np.sin(np.arange(samples) * 2 * np.pi * 220 / self.sample_rate)).astype(np.int16)
        for part in np.array_split(tone, self.chunks):
            yield part


def _hears(step: str | Hears | Exception) -> Hears:
    if isinstance(step, Exception):
        return Hears("", error=step)
    return Hears(step) if isinstance(step, str) else step
