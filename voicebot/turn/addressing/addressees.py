"""Decide whom an utterance addresses. Pure: text and context go in, addressees with a reason come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voicebot.turn.addressing.context import DialogueContext, Participant
from voicebot.turn.addressing.groups import (
    addresses_everyone,
    addresses_others,
    side_talk_partners,
    speaks_of_third_person,
)
from voicebot.turn.addressing.mentions import Mention, mentions
from voicebot.turn.addressing.roles import asked_by_role, closest_subject
from voicebot.turn.vocabulary import HAND_OVER, SIGNS
from voicebot.turn.words import QUESTION, Tokens, asks

DIALOGUE_S = 30.0
"""An agent and a person are in dialogue for this many seconds after they last spoke to each other.

The previous speaker is the likeliest next one (Sacks, Schegloff and Jefferson 1974, "A simplest systematics
for the organization of turn-taking for conversation", Language 50). Half a minute leaves time to think."""
JUST_S = 10.0
"""A question can be about what an agent said for this many seconds after it spoke."""
ANSWER_S = 15.0
"""A bare "yes" answers an agent's question for this many seconds."""


@dataclass(frozen=True)
class Addressees:
    """The agents that should answer, in order; none when people talk among themselves."""

    ids: tuple[str, ...]
    confidence: float
    reason: str
    may_add: tuple[str, ...] = ()
    """Further agents that may add to the answer, in order."""
    people: tuple[str, ...] = ()
    """The people addressed; what they say next is probably meant for the speaker."""


def addressees(text: str, context: DialogueContext) -> Addressees:
    """Decide whom `text` addresses.

    The first rule that applies wins: an agent called by name or role; a person called by name; a question to
    everybody or to the others; side talk between people; the current dialogue; the agent that has just
    spoken; the agent whose subject it is; the agent that has been silent longest. When one person is alone
    with one agent, everything is for that agent. An agent addresses another agent only by name.
    """
    agents = [p for p in context.present if p.is_agent and p.id != context.speaker_id]
    people = [p for p in context.present if not p.is_agent and p.id != context.speaker_id]
    if not agents:
        return Addressees((), 1.0, "no agent is here")
    if any(p.is_agent and p.id == context.speaker_id for p in context.present):
        return _by_agent(Tokens.of(text), [*agents, *people])
    if len(agents) == 1 and not people:
        return Addressees((agents[0].id,), 1.0, "the only agent")
    return _Resolver(Tokens.of(text), context, agents, people).resolve()


def called_by_name(text: str, agents: Sequence[Participant]) -> bool:
    """Whether a person's words call one of these agents rather than mention it."""
    return any(m.called for m in mentions(Tokens.of(text), agents, misheard=False))


class _Resolver:
    """Resolves a person's line where several participants could be addressed."""

    def __init__(
        self,
        line: Tokens,
        context: DialogueContext,
        agents: Sequence[Participant],
        people: Sequence[Participant],
    ) -> None:
        self.line, self.context, self.people = line, context, people
        self.all_agents = agents
        free = [agent for agent in agents if not agent.muted]
        self.free = sorted(free, key=lambda agent: _index(context.last_spoke, agent.id))
        """Agents that may speak; the one that has been silent longest comes first."""
        self.named = mentions(line, [*agents, *people])

    def resolve(self) -> Addressees:
        called = [m for m in self.named if m.called]
        if ours := [m for m in called if m.who.is_agent]:
            return self._named(ours, [m for m in called if not m.who.is_agent])
        if role := asked_by_role(self.line, self.all_agents):
            return Addressees((role.id,), 0.8, f"asked for by role: {role.role[:80]}")
        if called:
            names = " and ".join(m.who.name for m in called)
            return Addressees((), 0.8, f"said to {names}", people=_ids(called))
        if not self.free:
            return Addressees((), 1.0, "every agent is muted")
        if addresses_others(self.line):
            rest = [a for a in self.free if a.id not in self.context.last_spoke[-1:]] or self.free
            return self._one_of(rest, "a question to the others")
        if addresses_everyone(self.line):
            return self._one_of(self.free, "a question to all")
        return self._among_people() or self._by_context()

    def _named(self, called: Sequence[Mention], others: Sequence[Mention]) -> Addressees:
        first, *further = called  # "Tom or Ada": Tom may answer first, and nothing tells us whether he does
        ids = dict.fromkeys([first.who.id, *(m.who.id for m in further if not m.instead)])
        may_add = [m.who.id for m in further if m.instead]
        if addresses_everyone(self.line) or addresses_others(self.line):
            may_add += [agent.id for agent in self.free]
        may_add = [id for id in dict.fromkeys(may_add) if id not in ids]
        names = " and ".join(dict.fromkeys(m.who.name for m in called))
        score = max(m.score for m in called)
        return Addressees(tuple(ids), score, f"called by name: {names}", tuple(may_add), _ids(others))

    def _one_of(self, agents: Sequence[Participant], what: str) -> Addressees:
        first, *rest = (agent.id for agent in agents)
        return Addressees((first,), 0.7, f"{what}; the one who has been silent longest answers", tuple(rest))

    def _among_people(self) -> Addressees | None:
        if not self.people:
            return None
        partner, since, asked = self._partner()
        in_dialogue = partner is not None and since <= DIALOGUE_S
        agent_ids = {agent.id for agent in self.all_agents}
        if to := side_talk_partners(self.context.speaker_id, self.context.history, agent_ids, in_dialogue):
            here = tuple(p.id for p in self.people if p.id in to)
            return Addressees((), 0.7, "people talk to each other", people=here)
        if speaks_of_third_person(self.line, in_dialogue) and self._just_spoke() is not None:
            return Addressees((), 0.6, "people talk about an agent")
        if self.line.words and set(self.line.words) <= SIGNS and len(self.line.words) <= 4:
            if partner is not None and asked and since <= ANSWER_S:
                return Addressees((partner.id,), 0.7, f"the answer to a question of {partner.name}")
            return Addressees((), 0.6, "a sign of listening")
        return None

    def _by_context(self) -> Addressees:
        about = {m.who.id for m in self.named if m.who.is_agent}
        partner, since, _ = self._partner()
        if partner is not None and partner.id in about:
            partner = None
        if partner is not None and since <= DIALOGUE_S:
            return Addressees((partner.id,), 0.8, "the running dialogue")
        if about and self.people:
            return Addressees((), 0.6, "somebody talks about an agent")
        free = [agent for agent in self.free if agent.id not in about] or self.free
        just = self._just_spoke()
        if just in free and self._is_asked():
            return Addressees((just.id,), 0.6, f"a question after {just.name} spoke")
        if by_role := closest_subject(self.line, free):
            return Addressees((by_role.id,), 0.6, f"the subject of {by_role.name}")
        if partner is not None:
            return Addressees((partner.id,), 0.5, "the last one this person talked with")
        if len(free) == 1:
            return Addressees((free[0].id,), 0.5, "the only agent")
        return Addressees(
            (free[0].id,), 0.4, "nobody in particular; the one who has been silent longest answers"
        )

    def _partner(self) -> tuple[Participant | None, float, bool]:
        """The agent that last spoke with this person, how many seconds ago, and whether it asked."""
        known = next((a for a in self.free if a.id == self.context.partner_id), None)
        since = self.context.partner_s if known is not None else float("inf")
        free = {agent.id: agent for agent in self.free}
        for said in reversed(self.context.history):
            if self.context.speaker_id in said.to and said.speaker_id in free and said.ago_s <= since:
                return free[said.speaker_id], said.ago_s, said.question
        return known, since, False

    def _just_spoke(self) -> Participant | None:
        """The agent that spoke a moment ago, if nobody has spoken since."""
        newest = self.context.history[-1] if self.context.history else None
        if newest is None or newest.ago_s > JUST_S:
            return None
        return next((agent for agent in self.free if agent.id == newest.speaker_id), None)

    def _is_asked(self) -> bool:
        line = self.line
        return line.gaps[-1] == QUESTION or any(
            asks(line, at) for at in range(len(line.words)) if line.begins(at)
        )


def _by_agent(line: Tokens, others: Sequence[Participant]) -> Addressees:
    """Whom an agent addresses in its last two sentences. Its text is written, so no name is misheard."""
    ends = [at for at in range(1, len(line.gaps)) if line.ends(at)][-2:]
    for end in reversed(ends):
        sentence = line.sentence(end)
        called = [m for m in mentions(sentence, others, misheard=False) if m.called]
        if not called:
            continue
        first, asked = called[0], line.gaps[end] == QUESTION
        handed_over = bool(HAND_OVER.intersection(sentence.words[first.end : first.end + 1]))
        if all(m.who.is_agent for m in called) and (asked or handed_over):
            return Addressees((first.who.id,), 0.8, f"an agent asks {first.who.name} by name")
        people = _ids([m for m in called if not m.who.is_agent])
        return Addressees((), 0.8, "an agent's words for everyone", people=people)
    return Addressees((), 0.8, "an agent's words for everyone")


def _ids(named: Sequence[Mention]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(m.who.id for m in named))


def _index(order: Sequence[str], agent_id: str) -> int:
    return max((i for i, other in enumerate(order) if other == agent_id), default=-1)
