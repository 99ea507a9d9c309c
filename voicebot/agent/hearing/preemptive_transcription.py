"""Transcribe during a pause, before it is known whether the turn is over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from voicebot.stt.base import STTStream, Transcription

logger = logging.getLogger(__name__)

POLL_EVERY = 0.15
"""Seconds between two checks for a newer interim transcript, which may come after the last audio."""
UNHURRIED = 0.3
"""Seconds to wait before drafting a text that is probably unfinished."""
DRAFT_PATIENCE = 10.0
"""Seconds that the end of a turn waits for a draft in progress, which the final text then reuses."""


class PreemptiveTranscription:
    """Drafts the text of an utterance and asks the learned end-of-turn model, both during one pause.

    Args:
        stream: The recogniser's stream; drafts if it has `draft()`.
        ask: Returns the learned model's probability; None if there is no model.
        after: Seconds to wait before drafting, which may be a lot of work; `hurry` ends the wait.
        on_draft: Called with what `finish` would return for what was said so far.
        on_interim: Called at intervals until there is a draft.
        on_probability: Called with the model's answer.
    """

    def __init__(
        self,
        stream: STTStream | None,
        ask: Callable[[], Awaitable[float | None]] | None,
        *,
        after: float = 0.0,
        on_draft: Callable[[Transcription], None],
        on_interim: Callable[[], None],
        on_probability: Callable[[float], None],
        name: str,
    ) -> None:
        self._on_draft, self._on_interim, self._on_probability = on_draft, on_interim, on_probability
        self._tasks: list[asyncio.Task[None]] = []
        self._draft: asyncio.Task[None] | None = None
        self._name, self._after = name, after
        self._hurried = asyncio.Event()
        self._writing = self._drafted = False
        if stream is not None:
            if (draft := getattr(stream, "draft", None)) is not None:
                self._draft = self._begin(self._write, draft)
            self._begin(self._look)
        if ask is not None:
            self._begin(self._ask, ask)

    def hurry(self) -> None:
        """Draft now, because the turn may be complete after all."""
        self._hurried.set()

    def cancel(self) -> None:
        """Cancel everything, because speech has resumed."""
        for task in self._tasks:
            task.cancel()

    async def settle(self) -> None:
        """The turn is over: finish a draft in progress, so that the final text can reuse it."""
        draft = self._draft if self._writing else None
        for task in self._tasks:
            if task is not draft:
                task.cancel()
        if draft is not None:
            try:
                await asyncio.wait({draft}, timeout=DRAFT_PATIENCE)
            finally:
                draft.cancel()

    async def aclose(self) -> None:
        """Cancel all work and wait until it has ended."""
        self.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> asyncio.Task[None]:
        async def guarded() -> None:
            try:
                await work(*arguments)
            except Exception:  # the turn ends without it
                logger.exception("The preemptive transcription of %s failed", self._name)

        task = asyncio.get_running_loop().create_task(guarded(), name=f"{work.__name__} for {self._name}")
        self._tasks.append(task)
        return task

    async def _write(self, draft: Callable[[], Awaitable[Transcription]]) -> None:
        if self._after:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurried.wait(), self._after)
        self._writing = True
        try:
            text = await draft()
        except Exception:  # a third party's STT may raise anything; `finish` will report it
            logger.debug("No draft for %s", self._name, exc_info=True)
        else:
            self._drafted = True
            self._on_draft(text)

    async def _look(self) -> None:
        while not self._drafted:
            await asyncio.sleep(POLL_EVERY)
            self._on_interim()

    async def _ask(self, ask: Callable[[], Awaitable[float | None]]) -> None:
        probability = await ask()
        if probability is not None:
            self._on_probability(probability)
