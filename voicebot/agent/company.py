"""Who is present, who talked with whom last, and so who is meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from voicebot.agent.agent import Agent
from voicebot.clock import Clock
from voicebot.lobby.lobby import Lobby
from voicebot.turn import Addressees, Present, Scene, addressees, called_by_name


class Company:
    """The people and agents of one conversation, as addressing sees them."""

    def __init__(self, lobby: Lobby, agents: Mapping[str, Agent], clock: Clock) -> None:
        self._lobby, self._agents, self._clock = lobby, agents, clock
        self._partner: dict[str, tuple[str, float]] = {}
        self._last_spoke: list[str] = []
        self._names: dict[str, str] = {}
        self._deaf: set[str] = set()
        """People whose connection has ended: they can read, but not hear."""

    @property
    def audience(self) -> bool:
        """Somebody is here to hear an agent."""
        return any(person.id not in self._deaf for person in self._lobby.humans)

    def is_here(self, participant_id: str) -> bool:
        return participant_id in self._lobby.participants

    def connected(self, participant_id: str) -> None:
        """This person can hear (again)."""
        self._deaf.discard(participant_id)

    def connection_lost(self, participant_id: str) -> None:
        self._deaf.add(participant_id)

    @property
    def people_ids(self) -> list[str]:
        """The participant ids of the people who are here."""
        return [person.id for person in self._lobby.humans]

    @property
    def people(self) -> list[str]:
        """The names of the people who are here."""
        return [person.name for person in self._lobby.humans]

    def others(self, agent: Agent) -> list[str]:
        """The names of the other agents."""
        return [other.name for other in self._agents.values() if other is not agent]

    def name(self, participant_id: str) -> str:
        """Kept, so that the last words of somebody who has just left still have a speaker."""
        info = self._lobby.participants.get(participant_id)
        if info is not None:
            self._names[participant_id] = info.name
        return self._names.get(participant_id, "someone")

    def called(self, text: str, speaker_id: str) -> bool:
        """An agent is called by its name."""
        agents = [Present(a.id, a.name, True) for a in self._agents.values() if a.id != speaker_id]
        return called_by_name(text, agents)

    def meant(self, text: str, speaker_id: str) -> Addressees:
        """Whom these words are for."""
        partner, since = self._partner.get(speaker_id, (None, float("-inf")))
        scene = Scene(
            speaker_id=speaker_id,
            present=[
                Present(p.id, p.name, p.kind == "agent", p.character, p.kind == "agent" and p.muted)
                for p in self._lobby.participants.values()
            ],
            partner_id=partner if partner in self._agents else None,
            partner_s=self._clock() - since,
            last_spoke=tuple(self._last_spoke),
        )
        return addressees(text, scene)

    def answered(self, agent_id: str, people: Iterable[str]) -> None:
        """The agent was heard, in answer to these people."""
        now = self._clock()
        self._last_spoke = [a for a in self._last_spoke if a != agent_id] + [agent_id]
        for participant_id in people:
            self._partner[participant_id] = (agent_id, now)

    def left(self, participant_id: str) -> None:
        """Somebody who comes back begins anew."""
        self._partner.pop(participant_id, None)
