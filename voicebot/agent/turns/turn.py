"""One turn of one agent, from the language model to playout. To interrupt it, cancel its task."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from voicebot.agent.agent import Agent
from voicebot.agent.hearing.utterance import Utterance
from voicebot.agent.speaking.filler import Filler
from voicebot.agent.speaking.sentences import Speakable
from voicebot.agent.speaking.speech import Speech
from voicebot.agent.speaking.synthesizer import Synthesizer, closing_iterator
from voicebot.agent.thinking.generation import Generation
from voicebot.agent.thinking.handover import HandoffRequest, HandOver
from voicebot.agent.thinking.memory import Remembered
from voicebot.agent.thinking.surrogates import repair_surrogates
from voicebot.agent.tools.function_tools import ToolCall, ToolResult
from voicebot.agent.turns.context import ConversationContext
from voicebot.errors import ModelError
from voicebot.events import (
    ErrorEvent,
    Event,
    LLMFinished,
    LLMFirstSentence,
    LLMFirstToken,
    LLMStarted,
    ToolCalled,
    ToolReturned,
)

APOLOGY = "Sorry, I cannot think right now, because my language model does not answer. Please ask me again."
BROKEN_OFF = "Sorry, I lost my thread there. Please ask me again."
PASS = "PASS"
"""What an agent writes if it has nothing to add."""
NOTHING = "Sorry, I have nothing to say to that."


@dataclass
class Turn:
    """A turn that an agent has or will have."""

    agent: Agent
    turn_id: str
    speech: Speech
    asked: Sequence[Utterance] = ()
    to: Sequence[str] = ()
    """Names of the people to answer; empty means whoever spoke last."""
    text: str | None = None
    """Text to speak as it is; None lets the language model answer."""
    greeting: bool = False
    """The agent introduces itself. Other agents do not answer that."""
    reply_to_agent: bool = False
    adding: bool = False
    """The agent was not asked. It may add a remark to another agent's answer, or pass."""
    may_add: Sequence[str] = ()
    """Ids of the agents that may add something to this answer, in this order."""
    cause_seq: int | None = None
    task: asyncio.Task[None] | None = None
    handed: HandoffRequest | None = None
    """The hand-off by which the agent got this turn."""
    hops: int = 0
    """Number of hand-offs before this turn."""
    hand_over: HandOver | None = None
    """The tool to pass the turn on; None if the agent may not."""
    committed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the person has certainly finished. Until then nothing is heard and no tool runs."""
    interruption: Event | None = None
    """The latest event about speech over this turn, until the turn resumes."""
    superseded: bool = False
    """Whether somebody spoke before the answer was heard, so that its question is asked again."""
    written: int = 0
    """Characters from the language model."""
    pieces: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(maxsize=16))

    def event(self, kind: type[Event], **fields: Any) -> Event:
        """An event with the ids of this turn; `fields` may replace them."""
        ids = {
            "participant_id": self.agent.id, "turn_id": self.turn_id, "speech_id": self.speech.speech_id,
        }  # fmt: skip
        return kind(**{**ids, **fields})

    def cancel(self) -> None:
        """End generation and speech where they are."""
        if self.task is not None and not self.task.done():
            self.task.cancel()

    @property
    def audible(self) -> bool:
        """Whether the first audible sample of the speech has been sent."""
        return self.speech.started is not None


class TurnRunner:
    """Performs turns, each with the models in use at its start."""

    def __init__(self, context: ConversationContext) -> None:
        self._context, self._emit = context, context.log.emit

    async def perform(
        self, turn: Turn, people: Sequence[str], agents: Sequence[str], draft: Remembered | None = None
    ) -> None:
        """Perform a turn; returns when the media plane has closed the speech, or when there is no audio.

        `draft` is what a speculative turn answers, which is not in the agent's memory yet.
        """
        tts = turn.agent.tts or self._context.models.tts
        style = turn.agent.persona.voice
        synthesizer = Synthesizer(
            self._context.plane, self._context.host_id, tts, style, turn.speech, self._emit, turn.committed
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(
                synthesizer.speak(turn.pieces), name=f"synthesis of {turn.turn_id} of {turn.agent.name}"
            )
            group.create_task(
                self._write(turn, people, agents, draft), name=f"text of {turn.turn_id} of {turn.agent.name}"
            )
        if turn.speech.said:
            await turn.speech.closed.wait()

    async def _write(
        self, turn: Turn, people: Sequence[str], agents: Sequence[str], draft: Remembered | None
    ) -> None:
        if turn.text is not None:
            speakable = Speakable(turn.agent.persona.language)
            for piece in [*speakable.push(repair_surrogates(turn.text)), *speakable.finish()]:
                await turn.pieces.put(piece)
        else:
            await self._generate(turn, people, agents, draft)
        await turn.pieces.put(None)

    async def _generate(
        self, turn: Turn, people: Sequence[str], agents: Sequence[str], draft: Remembered | None
    ) -> None:
        llm = turn.agent.llm or self._context.models.llm
        started = self._emit(turn.event(LLMStarted, model=llm.name, cause_seq=turn.cause_seq))
        called: dict[str, tuple[str, int]] = {}

        def emit(kind: type[Event], **fields: Any) -> Event:
            return self._emit(turn.event(kind, **{"cause_seq": started.seq, **fields}))

        filler = Filler(
            turn.speech,
            after=self._context.settings.filler_after,
            clock=self._context.clock,
            pending=lambda: not turn.pieces.empty(),
            say=turn.pieces.put_nowait,
            sentence=lambda: turn.agent.fillers.next(turn.agent.persona.language),
        )

        def on_tool(report: ToolCall | ToolResult) -> None:
            filler.on_tool(report)
            if isinstance(report, ToolCall):
                event = emit(ToolCalled, name=report.name, arguments=report.arguments)
                called[report.call_id] = (report.name, event.seq)
                return
            name, seq = called.get(report.call_id, ("", started.seq))
            emit(ToolReturned, name=name, result=report.result, cause_seq=seq)
            if report.failed:
                message = f"The tool {name or '?'} of {turn.agent.name}: {report.result}"
                emit(ErrorEvent, code="tool", message=message, retryable=True, cause_seq=seq)

        generation = Generation(
            turn.agent.persona,
            llm,
            turn.agent.memory,
            tools=turn.agent.tools,
            timeout=self._context.settings.llm_timeout,
            tool_timeout=self._context.settings.tool_timeout,
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
                    emit(LLMFirstSentence, model=llm.name)
                given += 1
                await turn.pieces.put(piece)

        try:
            async with closing_iterator(generation.deltas()) as deltas:
                async for delta in deltas:
                    if not text and delta:
                        emit(LLMFirstToken, model=llm.name)
                    text += delta
                    turn.written += len(delta)
                    await give(speakable.push(delta))
            await give(speakable.finish())
            if generation.withheld:
                message = f"{llm.name} began to read out the instructions of {turn.agent.name}."
                emit(ErrorEvent, code="withheld", message=message)
            if not given and not turn.adding and generation.handed is None:
                await give([NOTHING])
        except ModelError as error:
            await turn.committed.wait()  # the failure of an answer that nobody hears is not reported
            emit(ErrorEvent, code=error.code, message=str(error), retryable=error.retryable)
            if given or not turn.adding:
                await give([BROKEN_OFF if given else APOLOGY])
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            filler.close()
            emit(
                LLMFinished,
                model=llm.name,
                text=text,
                tokens_in=generation.tokens_in,
                tokens_out=generation.tokens_out,
                cancelled=cancelled,
            )
