"""What is worked out ahead in a pause, before it is known whether the turn is over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from voicebot.stt.base import STTStream, Transcription

logger = logging.getLogger(__name__)

POLL_EVERY = 0.15
"""Seconds between looks at a recogniser's partial result: it may come after the last audio."""
UNHURRIED = 0.3
"""Seconds that a pause lasts before a text is drafted which is not expected to be all."""
DRAFT_PATIENCE = 10.0
"""Seconds that a confirmed end waits for the draft under way; the final text reuses it then."""


class PreemptiveTranscription:
    """The recogniser's provisional text and the learned model's word for one pause, side by side.

    Args:
        stream: asked for `draft()` if it has one, else for `interim()` now and then.
        ask: the learned model's probability, or None where there is no model.
        after: seconds to wait before that, since it may be a lot of work; `hurry` ends the wait.
        on_draft: called with what `finish` would give for what was said so far.
        on_interim: called with each partial result until then.
        on_probability: called with the model's answer.
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
        """What was said may be all, after all: draft it now."""
        self._hurried.set()

    def cancel(self) -> None:
        """Speech goes on: all of it is void."""
        for task in self._tasks:
            task.cancel()

    async def settle(self) -> None:
        """The end is confirmed: let a draft that has begun be finished, for the final text to go on from."""
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
        """Cancel what runs and wait for its end."""
        self.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> asyncio.Task[None]:
        async def guarded() -> None:
            try:
                await work(*arguments)
            except Exception:  # the final text and the words decide without it
                logger.exception("Working ahead for %s failed", self._name)

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
        except Exception:  # a third party's STT may raise anything, and `finish` will say it
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
