"""What an agent remembers of a conversation: what was really heard, and who said it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

from voicebot.agent.thinking.data import as_data, label
from voicebot.agent.thinking.tokens import MESSAGE_TOKENS, estimate, newest
from voicebot.llm.lines import EARLIER

if TYPE_CHECKING:
    from agents.items import TResponseInputItem
    from agents.memory import SessionSettings

SUMMARY_SHARE = 0.25
"""Of the budget: the most that a summary may take from the lines."""


@dataclass(frozen=True)
class Remembered:
    """One line; `speaker` is None for what the agent said itself."""

    speaker: str | None
    text: str
    began: float = float("-inf")
    """Clock time of its first word, if known."""

    @property
    def row(self) -> str:
        """As a model gets it."""
        return self.text if self.speaker is None else f"{self.speaker}: {self.text}"

    @cached_property
    def tokens(self) -> int:
        """Estimated; each line as if it were a message of its own."""
        return estimate(self.row) + MESSAGE_TOKENS


class Memory:
    """Heard lines, the newest last, after a summary of those before them.

    Nothing that was only planned ever gets in. `budget` is the number of (estimated) tokens that
    `messages` may have, None for no limit; a memory may grow beyond it until it is summarised.
    """

    def __init__(self, budget: int | None = None, owner: str = "") -> None:
        self.lines: list[Remembered] = []
        self.summary = ""
        """One line; what the lines that are gone were about."""
        self.budget = budget
        self.session = HeardSession(self, owner)
        """For openai-agents; as long-lived as this memory."""

    @property
    def tokens(self) -> int:
        """Of everything that is remembered, estimated."""
        return self._summary_tokens + sum(line.tokens for line in self.lines)

    def heard(self, speaker: str, text: str, began: float = float("-inf")) -> None:
        """A person's words; on one line, so that nobody can speak in another's name."""
        if text := as_data(text):
            self.lines.append(Remembered(label(speaker), text, began))

    def heard_agent(self, speaker: str, text: str, began: float = float("inf")) -> None:
        """Another agent's words, as far as they were heard; before what people said meanwhile."""
        if text := as_data(text):
            self._insert(Remembered(label(speaker), text, began))

    def said(self, text: str, began: float = float("inf")) -> None:
        """The agent's own words, as far as they were heard; before what people said meanwhile."""
        if text := as_data(text):
            self._insert(Remembered(None, text, began))

    def _insert(self, line: Remembered) -> None:
        # a speech is remembered at its end: without this, what people said over it would seem answered
        at = len(self.lines)
        while at and self.lines[at - 1].began > line.began:
            at -= 1
        self.lines.insert(at, line)

    # ------------------------------------------------------------ for a model

    def messages(self, draft: Remembered | None = None, notes: Sequence[str] = ()) -> list[dict[str, Any]]:
        """As chat messages; what several people said in a row is one message of labelled lines.

        Users and assistant alternate, which some chat templates insist on. What does not fit into the
        budget is left out, the oldest lines first.

        Args:
            draft: Words that are not remembered yet, such as those of somebody who may go on speaking.
            notes: Rows of the room's own, before the lines that wait for an answer.
        """
        lines = self.lines
        if draft is not None and (text := as_data(draft.text)):
            speaker = None if draft.speaker is None else label(draft.speaker)
            lines = [*lines, replace(draft, speaker=speaker, text=text)]
        kept = self._kept(lines, sum(estimate(note) for note in notes))
        messages: list[dict[str, Any]] = []
        for own, group in groupby(kept, lambda line: line.speaker is None):
            content = (" " if own else "\n").join(line.row for line in group)
            messages.append({"role": "assistant" if own else "user", "content": content})
        if notes:
            if not messages or messages[-1]["role"] == "assistant":
                messages.append({"role": "user", "content": ""})
            messages[-1]["content"] = "\n".join([*notes, messages[-1]["content"]]).rstrip("\n")
        if self.summary:
            row = f"{EARLIER} {json.dumps(self.summary, ensure_ascii=False)}"
            if messages and messages[0]["role"] == "user":
                messages[0]["content"] = f"{row}\n{messages[0]['content']}"
            else:
                messages.insert(0, {"role": "user", "content": row})
        return messages

    def _kept(self, lines: Sequence[Remembered], other: int) -> Sequence[Remembered]:
        """The newest lines that fit into the budget beside so many other tokens; the last one always."""
        if self.budget is None:
            return lines
        left = self.budget - other - self._summary_tokens
        for at in range(len(lines) - 1, -1, -1):
            left -= lines[at].tokens
            if left >= 0:
                continue
            if at < len(lines) - 1:
                return lines[at + 1 :]
            last = lines[at]
            room = max(1, left + last.tokens - MESSAGE_TOKENS - estimate(f"{last.speaker or ''}: "))
            return [replace(last, text=newest(last.text, room))]
        return lines

    @property
    def _summary_tokens(self) -> int:
        return estimate(self.summary) + MESSAGE_TOKENS + estimate(EARLIER) if self.summary else 0

    # ------------------------------------------------------------ summaries

    def oldest(self, keep: int, most: int) -> list[Remembered]:
        """The lines to summarise so that the newest `keep` tokens remain; `most` tokens at a time."""
        newer, at = 0, len(self.lines)
        while at and newer + self.lines[at - 1].tokens <= keep:
            at -= 1
            newer += self.lines[at].tokens
        taken, end = 0, 0
        while end < at and (not end or taken + self.lines[end].tokens <= most):
            taken += self.lines[end].tokens
            end += 1
        return self.lines[:end]

    def fold(self, lines: Iterable[Remembered], summary: str) -> None:
        """From now on this summary stands for these lines and for the summary of before."""
        gone = {id(line) for line in lines}
        self.lines = [line for line in self.lines if id(line) not in gone]
        summary = as_data(summary, quoted=True)
        self.summary = summary if self.budget is None else newest(summary, self.longest_summary)

    @property
    def longest_summary(self) -> int:
        """Tokens that a summary may have."""
        return round((self.budget or 0) * SUMMARY_SHARE)

    def clear(self) -> None:
        """Forget everything."""
        self.lines, self.summary = [], ""


class HeardSession:
    """openai-agents' Session of one agent: what its memory holds, within the budget.

    The runner's own additions are refused: what a model wrote has not been heard yet.
    """

    session_settings: SessionSettings | None = None

    def __init__(self, memory: Memory, owner: str = "") -> None:
        self.session_id = f"heard-{owner}" if owner else "heard"
        self._memory = memory
        self._items: Sequence[dict[str, Any]] | None = None

    def at(self, items: Sequence[dict[str, Any]]) -> HeardSession:
        """This session for one run, which began with these items: what is heard meanwhile is for the next."""
        session = copy(self)
        session._items = items
        return session

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        items: list[Any] = list(self._memory.messages() if self._items is None else self._items)
        return items if limit is None else items[-limit:] if limit > 0 else []

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Ignored on purpose; see the class."""

    async def pop_item(self) -> TResponseInputItem | None:
        """Nothing: a run that is tried again takes nothing back, since it has added nothing."""
        return None

    async def clear_session(self) -> None:
        self._memory.clear()
