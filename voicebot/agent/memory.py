"""What an agent remembers of a conversation: what was really heard, and who said it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.items import TResponseInputItem
    from agents.memory import SessionSettings


@dataclass(frozen=True)
class Remembered:
    """One line; `speaker` is None for what the agent said itself."""

    speaker: str | None
    text: str
    began: float = float("-inf")
    """Clock time of its first word, if known."""


class Memory:
    """Heard lines, the newest last. Nothing that was only planned ever gets in."""

    def __init__(self) -> None:
        self.lines: list[Remembered] = []

    def heard(self, speaker: str, text: str, began: float = float("-inf")) -> None:
        """A person's words; on one line, so that nobody can speak in another's name."""
        if text := _one_line(text):
            self.lines.append(Remembered(label(speaker), text, began))

    def heard_agent(self, speaker: str, text: str, began: float = float("inf")) -> None:
        """Another agent's words, as far as they were heard; before what people said meanwhile."""
        if text := _one_line(text):
            self._insert(Remembered(label(speaker), text, began))

    def said(self, text: str, began: float = float("inf")) -> None:
        """The agent's own words, as far as they were heard; before what people said meanwhile."""
        if text := _one_line(text):
            self._insert(Remembered(None, text, began))

    def _insert(self, line: Remembered) -> None:
        # a speech is remembered at its end: without this, what people said over it would seem answered
        at = len(self.lines)
        while at and self.lines[at - 1].began > line.began:
            at -= 1
        self.lines.insert(at, line)

    def messages(self) -> list[dict[str, Any]]:
        """As chat messages; what several people said in a row is one message of labelled lines.

        Users and assistant alternate, which some chat templates insist on.
        """
        messages: list[dict[str, Any]] = []
        for own, lines in groupby(self.lines, lambda line: line.speaker is None):
            if own:
                content = " ".join(line.text for line in lines)
            else:
                content = "\n".join(f"{line.speaker}: {line.text}" for line in lines)
            messages.append({"role": "assistant" if own else "user", "content": content})
        return messages


class HeardSession:
    """openai-agents' Session over a Memory for one run.

    The runner's own additions are refused: what a model wrote has not been heard yet.
    """

    session_id = "heard"
    session_settings: SessionSettings | None = None

    def __init__(self, history: Sequence[dict[str, Any]]) -> None:
        self._history = list(history)

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        items: list[Any] = [dict(item) for item in self._history]
        return items if limit is None else items[-limit:] if limit > 0 else []

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Ignored on purpose; see the class."""

    async def pop_item(self) -> TResponseInputItem | None:
        return None

    async def clear_session(self) -> None:
        self._history.clear()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def label(name: str) -> str:
    """A speaker's name as it stands before their lines."""
    return _one_line(name).replace(":", "") or "someone"
