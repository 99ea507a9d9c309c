from __future__ import annotations

from copy import copy

from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import booleans, floats, integers, sampled_from

from voicebot.turn.floor import Denial, Floor

AGENTS, PEOPLE = "abc", "xy"


def turns(floor: Floor, *, adding: bool = False) -> int:
    """How many agents in a row get the floor in reply to agents."""
    count = 0
    while floor.request(AGENTS[count % 3], reply_to_agent=True, adding=adding) is None:
        floor.release(AGENTS[count % 3])
        count += 1
    return count


def test_one_agent_at_a_time() -> None:
    floor = Floor()
    assert floor.request("a") is None
    assert floor.request("b") is Denial.TAKEN
    assert floor.request("a") is None
    assert not floor.release("b")
    assert floor.release("a")
    assert floor.request("b") is None


def test_a_chain_of_agent_turns_is_capped_until_a_person_speaks() -> None:
    floor = Floor(chain_cap=2)
    assert turns(floor) == 2
    assert floor.request("a", reply_to_agent=True) is Denial.CHAIN_CAP
    floor.human_started("h")
    assert floor.request("a") is Denial.HUMAN_SPEAKING
    floor.human_stopped("h")
    assert floor.request("a", reply_to_agent=True) is None


def test_answering_a_typed_message_starts_a_new_chain() -> None:
    floor = Floor(chain_cap=1)
    assert turns(floor) == 1
    assert floor.request("a") is None
    floor.release("a")
    assert turns(floor) == 1


def test_unrequested_additions_fade_first() -> None:
    assert (turns(Floor()), turns(Floor(), adding=True)) == (3, 2)
    floor = Floor(chain_cap=10)
    assert turns(floor) == 3
    assert floor.request("a", reply_to_agent=True) is Denial.FADED
    assert turns(Floor(chain_cap=10, chain_fade=1.0), adding=True) == 10
    assert (turns(Floor(chain_fade=0.0)), turns(Floor(chain_fade=0.0), adding=True)) == (1, 0)
    assert turns(Floor(chain_cap=0)) == 0


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, the rules hold and the floor never sticks."""

    def __init__(self) -> None:
        super().__init__()
        self.floor = Floor()
        self.speaking: set[str] = set()
        self.holder: str | None = None
        self.chain = 0
        """Turns in reply to agents, counted here, since a person spoke or was answered."""

    @initialize(cap=integers(0, 4), fade=floats(0, 1))
    def open(self, cap: int, fade: float) -> None:
        self.floor = Floor(cap, fade)

    @rule(agent=sampled_from(AGENTS), reply=booleans(), adding=booleans())
    def request(self, agent: str, reply: bool, adding: bool) -> None:
        denial = self.floor.request(agent, reply_to_agent=reply, adding=adding)
        if self.holder not in (None, agent):
            assert denial is Denial.TAKEN
        elif self.speaking:
            assert denial is Denial.HUMAN_SPEAKING
        elif self.holder == agent:
            assert denial is None
        elif not (reply or adding):
            assert denial is None
            self.chain = 0
        elif denial is None:
            self.chain += 1
        else:
            assert denial is (Denial.CHAIN_CAP if self.chain >= self.floor.chain_cap else Denial.FADED)
        if denial is None:
            self.holder = agent

    @rule(agent=sampled_from(AGENTS))
    def release(self, agent: str) -> None:
        assert self.floor.release(agent) == (self.holder == agent)
        if self.holder == agent:
            self.holder = None

    @rule(person=sampled_from(PEOPLE))
    def speak(self, person: str) -> None:
        self.floor.human_started(person)
        self.speaking.add(person)
        self.chain = 0

    @rule(person=sampled_from(PEOPLE))
    def fall_silent(self, person: str) -> None:
        self.floor.human_stopped(person)
        self.speaking.discard(person)

    @precondition(lambda self: self.holder is None and not self.speaking)
    @rule(adding=booleans())
    def talk_among_themselves(self, adding: bool) -> None:
        self.chain += turns(self.floor, adding=adding)

    @invariant()
    def one_holder_and_no_more_turns_than_the_cap(self) -> None:
        assert self.floor.holder == self.holder
        assert self.floor.speaking == self.speaking
        assert self.floor.chain == self.chain <= self.floor.chain_cap

    @invariant()
    def a_person_who_speaks_always_has_it(self) -> None:
        floor = self.imagined()
        floor.human_started("x")
        if floor.holder is not None:
            floor.release(floor.holder)
        for agent in AGENTS:
            assert floor.request(agent) is Denial.HUMAN_SPEAKING
            assert floor.request(agent, reply_to_agent=True) is Denial.HUMAN_SPEAKING

    @invariant()
    def it_can_always_be_had_again(self) -> None:
        for agent in AGENTS:
            floor = self.imagined()
            for person in PEOPLE:
                floor.human_stopped(person)
            if floor.holder is not None:
                assert floor.release(floor.holder)
            assert floor.request(agent) is None

    def imagined(self) -> Floor:
        floor = copy(self.floor)
        floor.speaking = set(floor.speaking)
        return floor


TestAnyOrder = AnyOrder.TestCase
