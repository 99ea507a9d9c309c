from __future__ import annotations

from typing import cast

import pytest

from voicebot.agent.agent import Agent
from voicebot.agent.turns.addressing import AddressingContext
from voicebot.lobby.lobby import Lobby
from voicebot.persona import create_persona
from voicebot.signaling.messages import ParticipantInfo


class Party:
    """Anna and Tom with some agents, and a clock that the test sets."""

    def __init__(self, *personas: str) -> None:
        self.now = 100.0
        lobby = Lobby("demo", "Demo")
        for name in ("Anna", "Tom"):
            lobby.join(ParticipantInfo(id=name.lower(), name=name, kind="human"))
        agents: dict[str, Agent] = {}
        for who in personas:
            agent = Agent(who.split(",")[0].lower(), create_persona(who), on_state=lambda agent: None)
            agents[agent.id] = agent
            lobby.join(agent.info())
        self.addressing = AddressingContext(lobby, agents, lambda: self.now)

    def says(self, speaker: str, text: str, *, after: float = 3.0, final: bool = True) -> tuple[str, ...]:
        self.now += after
        return self.addressing.decide(text, speaker, remember=final).ids


@pytest.fixture
def party() -> Party:
    return Party("Ada, a guide")


def test_an_answer_to_a_person_is_for_that_person(party: Party) -> None:
    assert party.says("anna", "Tom, did you bring the keys?") == ()
    assert party.says("tom", "they are in my bag") == ()
    assert party.says("anna", "then we can go") == ()
    assert party.says("tom", "Ada, what time is it?") == ("ada",)


def test_talk_between_people_is_forgotten_after_a_while(party: Party) -> None:
    assert party.says("anna", "Tom, did you bring the keys?") == ()
    assert party.says("tom", "how high is this tower", after=40.0) == ("ada",)


def test_interim_words_are_not_remembered(party: Party) -> None:
    assert party.says("anna", "Tom", final=False) == ()
    assert party.says("tom", "how high is this tower") == ("ada",)


def test_yes_is_for_the_agent_that_asked() -> None:
    party = Party("Ada, a guide", "Bruno, a lighthouse keeper")
    party.addressing.answered("ada", ["anna"], "It is old. Tom, have you been there?")
    party.addressing.answered("bruno", ["anna"], "I have.")
    assert party.says("tom", "yes") == ("ada",)
    assert party.says("anna", "right") == ()


def test_the_agent_that_was_silent_longest_answers_a_question_to_all() -> None:
    party = Party("Ada, a guide", "Bruno, a lighthouse keeper", "Mira, a doctor")
    party.addressing.answered("ada", ["anna"], "Hello.")
    decision = party.addressing.decide("what does everyone think", "tom")
    assert (decision.ids, decision.may_add) == (("bruno",), ("mira", "ada"))


def test_lines_of_a_person_who_left_are_forgotten(party: Party) -> None:
    assert party.says("anna", "Tom, did you bring the keys?") == ()
    party.addressing.left("tom")
    assert party.says("anna", "how high is this tower") == ("ada",)


def test_the_number_of_lines_is_limited(party: Party) -> None:
    for _ in range(100):
        party.says("anna", "Tom, are you there?", after=0.01)
    assert len(cast("list[object]", party.addressing._talk)) == 16
