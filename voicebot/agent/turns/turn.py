"""One turn of one agent: think, speak, and end with what was heard. Cancelling its task is barge-in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from voicebot.agent.agent import Agent
from voicebot.agent.hearing.utterance import Utterance
from voicebot.agent.models.models import Models
from voicebot.agent.speaking.filler import Filler
from voicebot.agent.speaking.sentences import Speakable
from voicebot.agent.speaking.speech import Speech
from voicebot.agent.speaking.synthesizer import Synthesizer, closing_iterator
from voicebot.agent.thinking.generation import Generation
from voicebot.agent.thinking.handover import Handed, HandOver
from voicebot.agent.thinking.memory import Remembered
from voicebot.agent.thinking.unicode import whole
from voicebot.agent.tools.function_tools import ToolCall, ToolResult
from voicebot.clock import Clock
from voicebot.errors import ModelError
from voicebot.events import (
    Emit,
    ErrorEvent,
    Event,
    LLMFinished,
    LLMFirstSentence,
    LLMFirstToken,
    LLMStarted,
    ToolCalled,
    ToolReturned,
)
from voicebot.media.base import MediaPlane
from voicebot.settings import Settings

APOLOGY = "Sorry, I cannot think right now, because my language model does not answer. Please ask me again."
BROKEN_OFF = "Sorry, I lost my thread there. Please ask me again."
PASS = "PASS"
"""What an agent writes that has nothing to add."""
NOTHING = "Sorry, I have nothing to say to that."


@dataclass
class Turn:
    """What an agent is about to do, or doing. `text` is said as it is; else the brain answers."""

    agent: Agent
    turn_id: str
    speech: Speech
    asked: Sequence[Utterance] = ()
    to: Sequence[str] = ()
    """Names of those to answer, where others have spoken since; empty: whoever spoke last."""
    text: str | None = None
    greeting: bool = False
    """An introduction that nobody asked for; nobody is meant to answer it but people."""
    reply_to_agent: bool = False
    adding: bool = False
    """Nobody asked it: it may add a remark to another one's answer, or pass."""
    may_add: Sequence[str] = ()
    """Agents who may add something to this answer, in this order."""
    cause_seq: int | None = None
    task: asyncio.Task[None] | None = None
    handed: Handed | None = None
    """Another agent has given it the turn, and why."""
    hops: int = 0
    """How often it was handed over before."""
    hand_over: HandOver | None = None
    """Lets the agent give the turn away; None: it cannot."""
    committed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it is sure that this is to be said; until then nothing is heard or done."""
    interruption: Event | None = None
    """What is being said over it, while it is not clear yet whether that takes the floor."""
    superseded: bool = False
    """Somebody went on speaking before the answer was heard; it will be asked again."""
    written: int = 0
    """Characters that the brain has given."""
    pieces: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(maxsize=16))

    def event(self, kind: type[Event], **fields: Any) -> Event:
        """An event of this turn's agent and speech; `fields` win."""
        ids = {
            "participant_id": self.agent.id, "turn_id": self.turn_id, "speech_id": self.speech.speech_id,
        }  # fmt: skip
        return kind(**{**ids, **fields})

    def cancel(self) -> None:
        """Barge-in: thinking and speaking end where they are."""
        if self.task is not None and not self.task.done():
            self.task.cancel()

    @property
    def audible(self) -> bool:
        return self.speech.started is not None


class TurnRunner:
    """Performs turns with the models that are current when they begin."""

    def __init__(
        self,
        media: MediaPlane,
        host_id: str,
        models: Models,
        emit: Emit,
        *,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._media, self._host_id, self._models, self._emit = media, host_id, models, emit
        self._settings, self._clock = settings, clock

    async def perform(
        self, turn: Turn, people: Sequence[str], agents: Sequence[str], draft: Remembered | None = None
    ) -> None:
        """Ends when the media plane has closed the speech, or at once when there is no sound to play.

        `draft` is what the turn answers and is not in the agent's memory yet.
        """
        tts = turn.agent.tts or self._models.tts
        style = turn.agent.persona.voice
        synthesizer = Synthesizer(
            self._media, self._host_id, tts, style, turn.speech, self._emit, turn.committed
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(
                synthesizer.speak(turn.pieces), name=f"voice of {turn.agent.name}: {turn.turn_id}"
            )
            group.create_task(
                self._think(turn, people, agents, draft), name=f"brain of {turn.agent.name}: {turn.turn_id}"
            )
        if turn.speech.said:
            await turn.speech.closed.wait()

    async def _think(
        self, turn: Turn, people: Sequence[str], agents: Sequence[str], draft: Remembered | None
    ) -> None:
        if turn.text is not None:
            speakable = Speakable(turn.agent.persona.language)
            for piece in [*speakable.push(whole(turn.text)), *speakable.finish()]:
                await turn.pieces.put(piece)
        else:
            await self._answer(turn, people, agents, draft)
        await turn.pieces.put(None)

    async def _answer(
        self, turn: Turn, people: Sequence[str], agents: Sequence[str], draft: Remembered | None
    ) -> None:
        llm = turn.agent.llm or self._models.llm
        started = self._emit(turn.event(LLMStarted, model=llm.name, cause_seq=turn.cause_seq))
        called: dict[str, tuple[str, int]] = {}
        filler = Filler(
            turn.speech,
            after=self._settings.filler_after,
            clock=self._clock,
            pending=lambda: not turn.pieces.empty(),
            say=turn.pieces.put_nowait,
            sentence=lambda: turn.agent.fillers.next(turn.agent.persona.language),
        )

        def on_tool(told: ToolCall | ToolResult) -> None:
            filler.on_tool(told)
            if isinstance(told, ToolCall):
                event = turn.event(
                    ToolCalled, name=told.name, arguments=told.arguments, cause_seq=started.seq
                )
                called[told.call_id] = (told.name, self._emit(event).seq)
                return
            name, seq = called.get(told.call_id, ("", started.seq))
            self._emit(turn.event(ToolReturned, name=name, result=told.result, cause_seq=seq))
            if told.failed:
                message = f"The tool {name or '?'} of {turn.agent.name}: {told.result}"
                self._emit(
                    turn.event(ErrorEvent, code="tool", message=message, retryable=True, cause_seq=seq)
                )

        generation = Generation(
            turn.agent.persona,
            llm,
            turn.agent.memory,
            tools=turn.agent.tools,
            timeout=self._settings.llm_timeout,
            tool_timeout=self._settings.tool_timeout,
            people=people,
            agents=agents,
            to=turn.to,
            adding=turn.adding,
            on_tool=on_tool,
            draft=draft,
            committed=turn.committed,
            handed=turn.handed,
            hand_over=turn.hand_over,
        )
        speakable = Speakable(turn.agent.persona.language)
        text, given, cancelled = "", 0, False

        async def give(pieces: Sequence[str]) -> None:
            nonlocal given
            if turn.adding and not given:
                pieces = [piece for piece in pieces if piece.strip(" .!\"'*").upper() != PASS]
            for piece in pieces:
                if not given:
                    self._emit(turn.event(LLMFirstSentence, model=llm.name, cause_seq=started.seq))
                given += 1
                await turn.pieces.put(piece)

        try:
            async with closing_iterator(generation.deltas()) as deltas:
                async for delta in deltas:
                    if not text and delta:
                        self._emit(turn.event(LLMFirstToken, model=llm.name, cause_seq=started.seq))
                    text += delta
                    turn.written += len(delta)
                    await give(speakable.push(delta))
            await give(speakable.finish())
            if generation.withheld:
                self._emit(
                    turn.event(
                        ErrorEvent,
                        code="withheld",
                        message=f"{llm.name} began to read out the instructions of {turn.agent.name}.",
                        cause_seq=started.seq,
                    )
                )
            if not given and not turn.adding and generation.handed is None:
                await give([NOTHING])
        except ModelError as error:
            await turn.committed.wait()  # a failure of what nobody would have heard is none
            self._emit(
                turn.event(
                    ErrorEvent,
                    code=error.code,
                    message=str(error),
                    retryable=error.retryable,
                    cause_seq=started.seq,
                )
            )
            if given or not turn.adding:
                await give([BROKEN_OFF if given else APOLOGY])
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            filler.close()
            self._emit(
                turn.event(
                    LLMFinished,
                    model=llm.name,
                    text=text,
                    tokens_in=generation.tokens_in,
                    tokens_out=generation.tokens_out,
                    cancelled=cancelled,
                    cause_seq=started.seq,
                )
            )
