"""Who is present and who said what to whom: what addressing looks at besides the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Participant:
    """Somebody in the lobby."""

    id: str
    name: str
    is_agent: bool
    role: str = ""
    """An agent's character, for addressing by role ("ask the doctor")."""
    muted: bool = False
    """An agent that says nothing: only meant where it is called by name or role, and then in vain."""


@dataclass(frozen=True)
class PriorTurn:
    """A line of the conversation so far, without its words."""

    speaker_id: str
    to: tuple[str, ...] = ()
    """Participants, people and agents, it was for; empty: nobody in particular."""
    ago_s: float = 0.0
    """Seconds since it ended."""
    question: bool = False


@dataclass(frozen=True)
class DialogueContext:
    """What addressing looks at besides the words."""

    speaker_id: str
    present: Sequence[Participant]
    partner_id: str | None = None
    """The agent that last spoke with this speaker."""
    partner_s: float = float("inf")
    """Seconds since then."""
    last_spoke: Sequence[str] = ()
    """Agents, the one who spoke last at the end."""
    history: Sequence[PriorTurn] = ()
    """The last lines of people and agents, the newest at the end."""
