"""The size at which a conversation ends, and the next one begins."""

from __future__ import annotations

from dataclasses import dataclass

OVERDUE = 1.25
"""Multiple of the quota at which a conversation ends even if somebody speaks."""
SPENT = 1.5
"""Multiple of the quota at which a log keeps no more events, because something blocks the event loop."""
PARTICIPANTS = 1000
"""Most participants of one conversation: the manifest lists all, and is rewritten for each."""
MIB = 1024 * 1024


@dataclass(frozen=True)
class Quota:
    """The largest number of events, and their largest size in bytes of JSON (more in memory)."""

    events: int
    size: int

    def full(self, events: int, size: int, participants: int) -> str:
        """Return why a conversation of this size should end, or "" if it may continue."""
        if events >= self.events:
            return f"It has {self.events} events (CONVERSATION_EVENTS)."
        if size >= self.size:
            return f"It is {self.size / MIB:g} MiB long (CONVERSATION_MIB)."
        if participants >= PARTICIPANTS:
            return f"{PARTICIPANTS} people and agents have joined it."
        return ""

    def beyond(self, factor: float, events: int, size: int) -> bool:
        """Tell whether a conversation of this size exceeds `factor` times the quota."""
        return events >= factor * self.events or size >= factor * self.size
