"""Share one transcription between `draft` and `finish` if only silence came between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from voicebot.stt.base import Transcription
from voicebot.stt.loudness import Loudness


class _Draft:
    def __init__(self, work: asyncio.Task[Transcription], upto: int) -> None:
        self.work, self.upto, self.waiting = work, upto, 0


class Drafts:
    """The newest transcription of a whole utterance, made on request.

    Args:
        loudness: The loudness of the utterance, of all samples so far.
        transcribe: Transcribes the utterance so far. Cancelling it cancels the work.
    """

    def __init__(
        self, loudness: Loudness, transcribe: Callable[[], Coroutine[Any, Any, Transcription]]
    ) -> None:
        self._loudness, self._transcribe = loudness, transcribe
        self._draft: _Draft | None = None
        self.last: Transcription | None = None
        """The newest finished draft."""

    @property
    def working(self) -> bool:
        """Whether a draft is in progress."""
        return self._draft is not None and not self._draft.work.done()

    async def newest(self) -> Transcription:
        """Transcribe all that was pushed, or return the existing transcription if only silence followed it.

        The work is cancelled once nobody waits for it.
        """
        draft = self._draft
        if draft is None or not self._loudness.quiet_since(draft.upto):
            work = asyncio.get_running_loop().create_task(self._transcribe(), name="transcribe")
            draft = self._draft = _Draft(work, self._loudness.samples)
        draft.waiting += 1
        try:
            self.last = await asyncio.shield(draft.work)
            return self.last
        except BaseException:
            if self._draft is draft:
                self._draft = None  # the next one starts afresh
            raise
        finally:
            draft.waiting -= 1
            if not draft.waiting:
                draft.work.cancel()

    def cancel(self) -> None:
        draft, self._draft = self._draft, None
        if draft is not None:
            draft.work.cancel()
