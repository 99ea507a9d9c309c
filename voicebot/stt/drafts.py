"""One transcription for both `draft` and `finish`, as long as nothing but silence came between them."""

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
    """The newest transcription of a whole utterance, made when it is asked for.

    Args:
        loudness: of the utterance, fed with everything that was pushed.
        transcribe: what was pushed so far; cancelling it gives the work up.
    """

    def __init__(
        self, loudness: Loudness, transcribe: Callable[[], Coroutine[Any, Any, Transcription]]
    ) -> None:
        self._loudness, self._transcribe = loudness, transcribe
        self._pushed = 0
        self._draft: _Draft | None = None
        self.last: Transcription | None = None
        """The newest that was made."""

    @property
    def working(self) -> bool:
        """Is one being made?"""
        return self._draft is not None and not self._draft.work.done()

    def pushed(self, samples: int) -> None:
        """So many more samples belong to the utterance."""
        self._pushed += samples

    async def newest(self) -> Transcription:
        """Of all that was pushed: the one that there is, when only silence followed; else a new one.

        When nobody waits for it any longer the work is given up.
        """
        draft = self._draft
        if draft is None or not self._loudness.quiet_since(draft.upto):
            work = asyncio.get_running_loop().create_task(self._transcribe(), name="transcribe")
            draft = self._draft = _Draft(work, self._pushed)
        draft.waiting += 1
        try:
            self.last = await asyncio.shield(draft.work)
            return self.last
        except BaseException:
            if self._draft is draft:
                self._draft = None  # the next one begins anew
            raise
        finally:
            draft.waiting -= 1
            if not draft.waiting:
                draft.work.cancel()

    def cancel(self) -> None:
        draft, self._draft = self._draft, None
        if draft is not None:
            draft.work.cancel()
