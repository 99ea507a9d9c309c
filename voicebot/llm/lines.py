"""A conversation as labelled lines, read back from what openai-agents gives a model.

A user message has one row for each thing that was said, "Anna: hello". A row that begins with a tag in
square brackets comes from the room and not from a speaker: no speaker's label can hold a bracket, so nobody
can write one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

ROOM = "[room]"
"""Who is here and whom to answer, as JSON."""
EARLIER = "[earlier]"
"""A record of what was said before the lines that follow, as a JSON string."""
HANDED_OVER = "[handed over]"
"""Which agent has given this one the turn, and why, as JSON."""
TAGGED = re.compile(rf"^({'|'.join(re.escape(tag) for tag in (ROOM, EARLIER, HANDED_OVER))}) ")


@dataclass(frozen=True)
class ChatLine:
    """One thing somebody said; `speaker` is "" for the agent itself."""

    speaker: str
    text: str


@dataclass(frozen=True)
class ScriptedCall:
    """What a scripted model may give instead of text: it asks for this tool."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RoomContext:
    """Names of those who are here beside the agent itself, and of those it is to answer."""

    people: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    """Empty: whoever spoke last."""
    add: bool = False
    """Another agent has just answered; this one was not asked, and may add something."""

    def row(self) -> str:
        """As a model gets it."""
        known = {name: value for name, value in asdict(self).items() if value}
        return f"{ROOM} {json.dumps(known, ensure_ascii=False)}"

    @classmethod
    def of(cls, row: str) -> RoomContext:
        """From such a row. Raises ValueError: it is none."""
        known = json.loads(row.removeprefix(ROOM))
        if not isinstance(known, dict):
            raise ValueError("not who is here")
        people, agents, answer = (tuple(known.get(name, ())) for name in ("people", "agents", "answer"))
        return cls(people, agents, answer, known.get("add", False))


class ChatHistory(list[ChatLine]):
    """Who said what, in order, and who is here."""

    room = RoomContext()


def read_history(items: str | Iterable[Any]) -> ChatHistory:
    """Lines of the form "Anna: hello" from user messages, the agent's own from assistant messages."""
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
