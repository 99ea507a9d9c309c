"""A conversation as labelled lines, parsed from what openai-agents gives a model.

A user message has one row per utterance, "Anna: hello". A row that begins with a tag in square brackets comes
from the room, not from a speaker: no speaker's label can contain a bracket, so nobody can forge one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

ROOM = "[room]"
"""Tags who is present and whom to answer, as JSON."""
EARLIER = "[earlier]"
"""Tags a record of what was said before the following lines, as a JSON string."""
HANDED_OVER = "[handed over]"
"""Tags which agent handed the turn over, and why, as JSON."""
TAGGED = re.compile(rf"^({'|'.join(re.escape(tag) for tag in (ROOM, EARLIER, HANDED_OVER))}) ")


@dataclass(frozen=True)
class ChatLine:
    """One utterance; `speaker` is "" for the agent itself."""

    speaker: str
    text: str


@dataclass(frozen=True)
class ScriptedCall:
    """A tool call that a scripted model yields instead of text."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RoomContext:
    """Names of the others present, and of those whom the agent should answer."""

    people: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    """Empty: the last speaker."""
    add: bool = False
    """Whether another agent has answered and this one, which was not asked, may add something."""

    def row(self) -> str:
        """The row that a model gets."""
        known = {name: value for name, value in asdict(self).items() if value}
        return f"{ROOM} {json.dumps(known, ensure_ascii=False)}"

    @classmethod
    def of(cls, row: str) -> RoomContext:
        """Parse a row that `row` has made. Raises ValueError for any other row."""
        known = json.loads(row.removeprefix(ROOM))
        if not isinstance(known, dict):
            raise ValueError("The row does not say who is present.")
        people, agents, answer = (tuple(known.get(name, ())) for name in ("people", "agents", "answer"))
        return cls(people, agents, answer, known.get("add", False))


class ChatHistory(list[ChatLine]):
    """Who said what, in order, and who is present."""

    room = RoomContext()


def read_history(items: str | Iterable[Any]) -> ChatHistory:
    """Parse lines such as "Anna: hello" from user messages, and the agent's own from assistant messages."""
    lines = ChatHistory()
    messages: Iterable[Any] = [{"role": "user", "content": items}] if isinstance(items, str) else items
    for item in messages:
        role, text = item.get("role"), _text(item.get("content"))
        if role == "assistant":
            lines.append(ChatLine("", text))
        elif role == "user":
            for row in text.splitlines():
                if tagged := TAGGED.match(row):
                    if tagged[1] == ROOM:
                        with suppress(ValueError, RecursionError):
                            lines.room = RoomContext.of(row)
                    continue
                speaker, colon, said = row.partition(": ")
                lines.append(ChatLine(speaker, said.strip()) if colon else ChatLine("someone", row.strip()))
    lines[:] = [line for line in lines if line.text]
    return lines


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content or []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
