"""Who may speak. One agent at a time, agents among themselves only for so long, people before agents."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

FADED_BELOW = 0.3
"""Of what an exchange among agents began with; always at the same turn, so that it can be repeated."""


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
    """What is left of an exchange among agents after each of these turns, 0 to 1; 1: it does not fade.

    With the default three who are asked by name answer one after the other, and two who were not asked
    add to an answer. 0: only the first who is asked by an agent speaks, and nobody adds.
    """
    holder: str | None = None
    """The agent that has the floor."""
    chain: int = 0
    """Agent turns in reply to agents since a person last spoke or was answered."""
    speaking: set[str] = field(default_factory=set)
    """People who are speaking now."""

    def goes_on(self, *, adding: bool = False) -> bool:
        """Whether agents may take one more turn among themselves.

        The first that an agent asks by name always may; who would only add something (`adding`) is a
        step behind.
        """
        return self.chain < self.chain_cap and self.chain_fade ** (self.chain + adding) > FADED_BELOW

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
        elif not self.goes_on(adding=adding):
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
