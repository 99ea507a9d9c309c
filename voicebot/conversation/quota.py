"""How much one conversation may be, in memory and in its `events.jsonl`, until the next one begins."""

from __future__ import annotations

from dataclasses import dataclass

OVERDUE = 1.25
"""How far beyond its quota a conversation may go until it is quiet enough to end; then it ends anyway."""
SPENT = 1.5
"""Where nothing more is kept: something kept the loop from ending it."""
PARTICIPANTS = 1000
"""Who came and went, of one conversation: its manifest has all of them, and is written anew for each."""
MIB = 1024 * 1024


@dataclass(frozen=True)
class Quota:
    """`events` in number, `size` in bytes as lines of JSON; in memory they are several times as much."""

    events: int
    size: int

    def full(self, events: int, size: int, participants: int) -> str:
        """Why the conversation should end now; empty while there is room."""
        if events >= self.events:
            return f"It has {self.events} events (CONVERSATION_EVENTS)."
        if size >= self.size:
            return f"It is {self.size / MIB:g} MiB long (CONVERSATION_MIB)."
        if participants >= PARTICIPANTS:
            return f"{PARTICIPANTS} people and agents have come into it."
        return ""

    def beyond(self, factor: float, events: int, size: int) -> bool:
        """Whether it is so many times as much as it may be."""
        return events >= factor * self.events or size >= factor * self.size
