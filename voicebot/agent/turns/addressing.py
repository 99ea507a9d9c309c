"""What addressing needs to know about a conversation: who is here, and who spoke to whom lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace

from voicebot.agent.agent import Agent
from voicebot.clock import Clock
from voicebot.lobby.lobby import Lobby
from voicebot.turn.addressing.addressees import Addressees, addressees, called_by_name
from voicebot.turn.addressing.context import DialogueContext, Participant, PriorTurn
from voicebot.turn.words import is_question

REMEMBERED = 16
"""Number of recent lines kept. Older ones say nothing about who is meant now."""


class AddressingContext:
    """Decides whom words are for in one conversation, from its participants and its recent lines."""

    def __init__(self, lobby: Lobby, agents: Mapping[str, Agent], clock: Clock) -> None:
        self._lobby, self._agents, self._clock = lobby, agents, clock
        self._partner: dict[str, tuple[str, float]] = {}
        self._last_spoke: list[str] = []
        self._talk: deque[tuple[PriorTurn, float]] = deque(maxlen=REMEMBERED)
        """Recent lines, each with its clock time."""
        self._names: dict[str, str] = {}
        self._deaf: set[str] = set()
        """People without a connection. They can read the chat but hear nothing."""

    @property
    def has_audience(self) -> bool:
        """Whether somebody can hear the agents."""
        return any(person.id not in self._deaf for person in self._lobby.humans)

    def is_here(self, participant_id: str) -> bool:
        """Whether this person or agent is in the lobby."""
        return participant_id in self._lobby.participants

    def connected(self, participant_id: str) -> None:
        """Note that the person can hear the agents, perhaps again."""
        self._deaf.discard(participant_id)

    def connection_lost(self, participant_id: str) -> None:
        """Note that the person cannot hear the agents any more."""
        self._deaf.add(participant_id)

    @property
    def people_ids(self) -> list[str]:
        """The ids of the people in the lobby."""
        return [person.id for person in self._lobby.humans]

    @property
    def people(self) -> list[str]:
        """The names of the people in the lobby."""
        return [person.name for person in self._lobby.humans]

    def others(self, agent: Agent) -> list[str]:
        """The names of the other agents."""
        return [other.name for other in self._agents.values() if other is not agent]

    def name(self, participant_id: str) -> str:
        """A participant's name. It is kept, because last words may be transcribed after they have left."""
        info = self._lobby.participants.get(participant_id)
        if info is not None:
            self._names[participant_id] = info.name
        return self._names.get(participant_id, "someone")

    def called(self, text: str, speaker_id: str) -> bool:
        """Whether the text calls another agent by its name."""
        agents = [Participant(a.id, a.name, True) for a in self._agents.values() if a.id != speaker_id]
        return called_by_name(text, agents)

    def decide(self, text: str, speaker_id: str, *, remember: bool = True) -> Addressees:
        """Decide whom these words are for.

        A person's words are remembered with their addressees, because the next words may be the reply. Pass
        `remember=False` for words that are not final.
        """
        now = self._clock()
        partner, since = self._partner.get(speaker_id, (None, float("-inf")))
        context = DialogueContext(
            speaker_id=speaker_id,
            present=[
                Participant(p.id, p.name, p.kind == "agent", p.character, p.kind == "agent" and p.muted)
                for p in self._lobby.participants.values()
            ],
            partner_id=partner if partner in self._agents else None,
            partner_s=now - since,
            last_spoke=tuple(self._last_spoke),
            history=tuple(replace(said, ago_s=now - time) for said, time in self._talk),
        )
        decision = addressees(text, context)
        if remember and speaker_id not in self._agents:
            self._remember(speaker_id, (*decision.ids, *decision.people), text)
        return decision

    def answered(self, agent_id: str, people: Iterable[str], text: str = "") -> None:
        """Note that the agent said `text` in answer to `people`, perhaps addressing other people in it."""
        now = self._clock()
        self._last_spoke = [a for a in self._last_spoke if a != agent_id] + [agent_id]
        asked = tuple(dict.fromkeys(people))
        for participant_id in asked:
            self._partner[participant_id] = (agent_id, now)
        self._remember(agent_id, self.decide(text, agent_id).people or asked, text)

    def left(self, participant_id: str) -> None:
        """Forget the lines of a participant who has left."""
        self._partner.pop(participant_id, None)
        kept = [
            (replace(said, to=tuple(id for id in said.to if id != participant_id)), time)
            for said, time in self._talk
            if said.speaker_id != participant_id and set(said.to) != {participant_id}
        ]
        self._talk = deque(kept, maxlen=REMEMBERED)

    def _remember(self, speaker_id: str, to: tuple[str, ...], text: str) -> None:
        said = PriorTurn(speaker_id, to, question=is_question(text))
        self._talk.append((said, self._clock()))
