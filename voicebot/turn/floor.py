"""Who may speak: one agent at a time, people before agents, and only short exchanges among agents."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

FADED_BELOW = 0.3
"""An exchange among agents ends below this weight; without chance, so that runs can be repeated."""


class Denial(Enum):
    """Why an agent is denied the floor (RFC 8855 calls such a request "denied")."""

    HUMAN_SPEAKING = "a person is speaking"
    TAKEN = "another agent is speaking"
    CHAIN_CAP = "agents have talked among themselves long enough"
    FADED = "the agents' exchange has faded"
    MUTED = "the agent is muted"


@dataclass
class Floor:
    """The floor of one lobby. No clock and no I/O: callers report what happens, in order."""

    chain_cap: int = 3
    """How many agent turns in a row may reply to agents before a person is answered again."""
    chain_fade: float = 0.6
    """The factor by which each of these turns weakens the exchange, 0 to 1; with 1 it never fades.

    By default three agents that are asked by name answer one after another, and two that were not asked may
    add to an answer. With 0 only the first agent that an agent asks speaks, and nobody adds.
    """
    holder: str | None = None
    """The agent that has the floor."""
    chain: int = 0
    """Agent turns in reply to agents since a person last spoke or was answered."""
    speaking: set[str] = field(default_factory=set)
    """People who are speaking now."""

    def goes_on(self, *, adding: bool = False) -> bool:
        """Whether agents may take one more turn among themselves.

        The first agent that another one asks by name always may. An agent that would only add something
        (`adding`) counts as one step further.
        """
        return self.chain < self.chain_cap and self.chain_fade ** (self.chain + adding) > FADED_BELOW

    def request(self, agent_id: str, *, reply_to_agent: bool = False, adding: bool = False) -> Denial | None:
        """Ask for the floor; None grants it. The holder may ask again.

        `reply_to_agent`: only an agent asked for this turn. `adding`: nobody did; the agent would add to
        another one's answer.
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
        """Give the floor back; True if the agent held it."""
        if self.holder != agent_id:
            return False
        self.holder = None
        return True

    def human_started(self, participant_id: str) -> None:
        """Note that a person speaks. This ends the agents' chain, and no agent gets the floor meanwhile."""
        self.speaking.add(participant_id)
        self.chain = 0

    def human_stopped(self, participant_id: str) -> None:
        """Note that a person's turn is over, or that they have left. Agents may get the floor again."""
        self.speaking.discard(participant_id)
