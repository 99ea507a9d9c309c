"""A conversation as labelled lines, read back from what openai-agents gives a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """One thing somebody said; `speaker` is "" for the agent itself."""

    speaker: str
    text: str


def lines_of(items: str | Iterable[Any]) -> list[Line]:
    """Lines of the form "Anna: hello" from user messages, the agent's own from assistant messages."""
    lines: list[Line] = []
    messages: Iterable[Any] = [{"role": "user", "content": items}] if isinstance(items, str) else items
    for item in messages:
        role, text = item.get("role"), _text(item.get("content"))
        if role == "assistant":
            lines.append(Line("", text))
        elif role == "user":
            for row in text.splitlines():
                speaker, colon, said = row.partition(": ")
                lines.append(Line(speaker, said.strip()) if colon else Line("someone", row.strip()))
    return [line for line in lines if line.text]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content or []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
