"""Who may speak. One agent at a time, agents among themselves only for so long, people before agents."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Denial(Enum):
    """Why an agent may not speak now."""

    HUMAN_SPEAKING = "a person is speaking"
    TAKEN = "another agent is speaking"
    CHAIN_CAP = "agents have talked among themselves long enough"
    MUTED = "the agent is muted"


@dataclass
class Floor:
    """The floor of one lobby. No clock, no I/O: callers say what happens, in order.

    `chain_cap` is how many agent turns may follow each other in reply to agents before a
    person has to speak.
    """

    chain_cap: int = 3
    holder: str | None = None
    chain: int = 0
    """Agent turns in reply to agents since a person last spoke."""
    speaking: set[str] = field(default_factory=set)
    """People who are speaking now."""

    def request(self, agent_id: str, *, reply_to_agent: bool = False) -> Denial | None:
        """An agent wants to speak; None: it has the floor. Asking again while holding it is granted."""
        if self.holder is not None and self.holder != agent_id:
            return Denial.TAKEN
        if self.speaking:
            return Denial.HUMAN_SPEAKING
        if reply_to_agent and self.chain >= self.chain_cap:
            return Denial.CHAIN_CAP
        if self.holder is None and reply_to_agent:
            self.chain += 1
        self.holder = agent_id
        return None

    def release(self, agent_id: str) -> bool:
        """The agent is done; True when it held the floor."""
        if self.holder != agent_id:
            return False
        self.holder = None
        return True

    def human_started(self, participant_id: str) -> None:
        """A person speaks: agents' chains are over, and nobody is granted the floor meanwhile."""
        self.speaking.add(participant_id)
        self.chain = 0

    def human_stopped(self, participant_id: str) -> None:
        self.speaking.discard(participant_id)
