"""Who is present and who spoke to whom: the context that addressing uses besides the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Participant:
    """A person or an agent in the lobby."""

    id: str
    name: str
    is_agent: bool
    role: str = ""
    """An agent's character, for addressing by role ("ask the doctor")."""
    muted: bool = False
    """A muted agent is addressed only by name or role, and then does not answer."""


@dataclass(frozen=True)
class PriorTurn:
    """An earlier turn, without its words."""

    speaker_id: str
    to: tuple[str, ...] = ()
    """Ids of the people and agents it addressed; empty: nobody in particular."""
    ago_s: float = 0.0
    """Seconds since it ended."""
    question: bool = False


@dataclass(frozen=True)
class DialogueContext:
    """What addressing uses besides the words."""

    speaker_id: str
    present: Sequence[Participant]
    partner_id: str | None = None
    """Id of the agent that last spoke with this speaker."""
    partner_s: float = float("inf")
    """Seconds since that happened."""
    last_spoke: Sequence[str] = ()
    """Ids of the agents in the order they last spoke; the latest comes last."""
    history: Sequence[PriorTurn] = ()
    """The latest turns of people and agents; the newest comes last."""
