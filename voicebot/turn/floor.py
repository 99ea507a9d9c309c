"""Who may speak. One agent at a time, agents among themselves only for so long, people before agents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

THRESHOLD = 0.3
"""Agents' exchanges end, without a `draw`, where a further turn would be less likely than this."""


def at_threshold() -> float:
    """The `draw` that is no gamble: the same exchange always ends at the same turn."""
    return THRESHOLD


class Denial(Enum):
    """Why an agent may not speak now."""

    HUMAN_SPEAKING = "a person is speaking"
    TAKEN = "another agent is speaking"
    CHAIN_CAP = "agents have talked among themselves long enough"
    FADED = "the agents' exchange has faded"
    MUTED = "the agent is muted"


@dataclass
class Floor:
    """The floor of one lobby. No clock, no I/O: callers say what happens, in order."""

    chain_cap: int = 3
    """How many agent turns may follow each other in reply to agents until a person is answered again."""
    chain_fade: float = 0.6
    """How likely each of these turns is against the one before it, 0 to 1; 1: they do not fade.

    With the default, without a `draw`, three who are asked by name answer one after the other, and two who
    were not asked add to an answer. 0: only the first who is asked by an agent speaks, and nobody adds.
    """
    draw: Callable[[], float] = at_threshold
    """A number from 0 up to 1; a turn likelier than it is granted; `Random(seed).random` varies it."""
    holder: str | None = None
    """The agent that has the floor."""
    chain: int = 0
    """Agent turns in reply to agents since a person last spoke or was answered."""
    speaking: set[str] = field(default_factory=set)
    """People who are speaking now."""

    def likelihood(self, *, adding: bool = False) -> float:
        """How likely the next turn in reply to an agent is granted, 0 to 1.

        The first that an agent asks by name is sure; who would only add something (`adding`) is a step
        behind.
        """
        if self.chain >= self.chain_cap:
            return 0.0
        return self.chain_fade ** (self.chain + adding)

    def request(self, agent_id: str, *, reply_to_agent: bool = False, adding: bool = False) -> Denial | None:
        """An agent wants to speak; None: it has the floor. Asking again while holding it is granted.

        `reply_to_agent`: nobody but an agent has asked for this turn. `adding`: nobody has, it would only add
        to what another one answered.
        """
        if self.holder is not None and self.holder != agent_id:
            return Denial.TAKEN
        if self.speaking:
            return Denial.HUMAN_SPEAKING
        if self.holder is not None:
            return None
        if not (reply_to_agent or adding):
            self.chain = 0  # a person is answered, who may have typed
        elif self.chain >= self.chain_cap:
            return Denial.CHAIN_CAP
        elif self.draw() >= self.likelihood(adding=adding):
            return Denial.FADED
        else:
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
        """The person's turn is over, or they have left; agents may be granted the floor again."""
        self.speaking.discard(participant_id)
