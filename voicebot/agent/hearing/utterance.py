"""What one person said in one turn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Utterance:
    """What one person said in one turn; `text` is "" when nothing was understood or it was lost."""

    participant_id: str
    utterance_id: str
    turn_id: str
    text: str
    start: float
    end: float
    """Clock times of the first and the last speech sample."""
    cause_seq: int | None = None
    typed: bool = False
    """Written in the chat: whoever wrote it can read the answer."""
    going_on: bool = False
    """Cut at the greatest length: the person has not stopped speaking."""
