"""The embedded LLM backend: a small program without a language model and without a network, which says so."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Self

from voicebot.errors import UnknownModel
from voicebot.llm.extract import extract
from voicebot.llm.lines import ChatHistory, ChatLine
from voicebot.llm.small_talk import reply
from voicebot.registry import Availability, Progress, no_progress
from voicebot.settings import Settings

if TYPE_CHECKING:
    from agents.models.interface import Model

NOTICE = "A small offline program answers here, not an AI model."


def local_now() -> datetime:
    """Return the local time."""
    return datetime.now().astimezone()


class OfflineLLM:
    """Holds a simple conversation from the persona and the transcript, and never pretends to know."""

    name = "offline"
    notice = NOTICE

    def __init__(self, now: Callable[[], datetime] = local_now) -> None:
        self._now = now

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return ()

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        return Availability("ready", "built in; makes small talk without a language model")

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        """Load only openai-agents, off the loop. Raises UnknownModel for any model name."""
        if model:
            raise UnknownModel(f"The offline chatbot has no model {model!r}.", hint='Write just "offline".')
        progress("Loading openai-agents", None)
        await asyncio.to_thread(__import__, "voicebot.llm.models")
        from voicebot.llm.models import warm_up

        await warm_up()
        return cls()

    def model(self) -> Model:
        from voicebot.llm.models import TextModel

        return TextModel(self.name, self._write)

    async def aclose(self) -> None:
        """Nothing to free."""

    async def summarise(self, before: str, lines: Sequence[ChatLine], longest: int) -> str:
        """Summarise these lines in the speakers' own words; see `voicebot.llm.extract`."""
        return extract(before, lines, longest)

    async def _write(self, instructions: str, lines: ChatHistory) -> AsyncIterator[str]:
        for part in re.findall(r"\S+\s*", reply(instructions, lines, self._now(), lines.room)):
            yield part
