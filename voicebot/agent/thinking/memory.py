"""What an agent remembers of a conversation: who said what, as far as it was heard."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any

from voicebot.agent.thinking.data import as_data, label
from voicebot.llm.lines import EARLIER

MESSAGE_TOKENS = 4
"""Tokens that a chat template adds to each message (OpenAI's cookbook counts 3 and a role)."""
BYTES_PER_TOKEN = 3
"""UTF-8 bytes per token. We compared this with Qwen's tokenizer and Mistral's Tekken on conversations in en,
de, fr, ru, tr, zh, ja, ko, hi, ar and th. It counts 8 to 73 % too many tokens (English: 27 %), except for
Hindi: 120 % too many for Tekken and 9 % too few for Qwen. Too many tokens only mean an earlier summary; too
few could overflow a small context window."""
SUMMARY_SHARE = 0.25
"""Share of the budget that a summary may have at most."""


def estimate(text: str) -> int:
    """The estimated tokens of a text; see `BYTES_PER_TOKEN` for the error."""
    length = len(text) if text.isascii() else len(text.encode(errors="replace"))
    return -(-length // BYTES_PER_TOKEN)


def newest(text: str, tokens: int) -> str:
    """The text, or its end after an ellipsis if it has more than `tokens` tokens."""
    if estimate(text) <= tokens:
        return text
    kept = text.encode(errors="replace")[-max(0, tokens - 1) * BYTES_PER_TOKEN :] if tokens > 1 else b""
    return "\u2026" + kept.decode(errors="ignore")


@dataclass(frozen=True)
class Remembered:
    """One line of a conversation; `speaker` is None for the agent's own words."""

    speaker: str | None
    text: str
    began: float = float("-inf")
    """Clock time of its first word, if known."""

    @property
    def row(self) -> str:
        """The line as a model gets it."""
        return self.text if self.speaker is None else f"{self.speaker}: {self.text}"

    @cached_property
    def tokens(self) -> int:
        """Estimated tokens, as if the line were a message of its own."""
        return estimate(self.row) + MESSAGE_TOKENS


class Memory:
    """The lines that were heard, oldest first, and a summary of earlier ones. Unheard words are left out.

    Args:
        budget: Estimated tokens that `messages` may have; None means no limit. The memory itself may grow
            larger until it is summarised.
    """

    def __init__(self, budget: int | None = None) -> None:
        self.lines: list[Remembered] = []
        self.summary = ""
        """A summary, in one line, of the lines that were removed."""
        self.budget = budget

    @property
    def tokens(self) -> int:
        """Estimated tokens of the lines and the summary."""
        return self._summary_tokens + sum(line.tokens for line in self.lines)

    def heard(self, speaker: str, text: str, began: float = float("-inf")) -> None:
        """Remember a person's words, on one line so that nobody can speak in another's name."""
        if text := as_data(text):
            self.lines.append(Remembered(label(speaker), text, began))

    def heard_agent(self, speaker: str, text: str, began: float = float("inf")) -> None:
        """Remember what was heard of another agent, before what people said over it."""
        if text := as_data(text):
            self._insert(Remembered(label(speaker), text, began))

    def said(self, text: str, began: float = float("inf")) -> None:
        """Remember what was heard of this agent, before what people said over it."""
        if text := as_data(text):
            self._insert(Remembered(None, text, began))

    def _insert(self, line: Remembered) -> None:
        # a speech is remembered at its end; appended, it would seem to answer what people said over it
        at = len(self.lines)
        while at and self.lines[at - 1].began > line.began:
            at -= 1
        self.lines.insert(at, line)

    def messages(self, draft: Remembered | None = None, notes: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The memory as chat messages, within the budget; the oldest lines are left out.

        Consecutive lines of other participants are one message, because some chat templates insist that user
        and assistant alternate.

        Args:
            draft: Words that are not remembered yet, because their speaker may continue.
            notes: Rows of the room, to stand before the lines to answer.
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
        """The newest lines that fit into the budget beside `other` tokens. The last one is cut to fit."""
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

    def oldest(self, keep: int, most: int) -> list[Remembered]:
        """The lines to summarise now: not more than `most` tokens, and none of the newest `keep` tokens."""
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
        """Replace these lines and the old summary by this summary."""
        gone = {id(line) for line in lines}
        self.lines = [line for line in self.lines if id(line) not in gone]
        summary = as_data(summary, quoted=True)
        self.summary = summary if self.budget is None else newest(summary, self.longest_summary)

    @property
    def longest_summary(self) -> int:
        """Tokens that a summary may have at most."""
        return round((self.budget or 0) * SUMMARY_SHARE)
