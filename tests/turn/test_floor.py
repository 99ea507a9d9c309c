from __future__ import annotations

from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from hypothesis.strategies import booleans, sampled_from

from voicebot.turn import Denial, Floor


def test_one_agent_at_a_time() -> None:
    floor = Floor()
    assert floor.request("a") is None
    assert floor.request("b") is Denial.TAKEN
    assert floor.request("a") is None
    assert not floor.release("b")
    assert floor.release("a")
    assert floor.request("b") is None


def test_agents_among_themselves_are_capped_until_a_person_speaks() -> None:
    floor = Floor(chain_cap=2)
    for agent in ("a", "b"):
        assert floor.request(agent, reply_to_agent=True) is None
        floor.release(agent)
    assert floor.request("a", reply_to_agent=True) is Denial.CHAIN_CAP
    floor.human_started("h")
    assert floor.request("a") is Denial.HUMAN_SPEAKING
    floor.human_stopped("h")
    assert floor.request("a", reply_to_agent=True) is None


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, the rules hold and the floor never sticks."""

    def __init__(self) -> None:
        super().__init__()
        self.floor = Floor(chain_cap=2)

    @rule(agent=sampled_from("abc"), reply=booleans())
    def request(self, agent: str, reply: bool) -> None:
        held = self.floor.holder
        if self.floor.request(agent, reply_to_agent=reply) is None:
            assert not self.floor.speaking
            assert held in (None, agent)
            assert self.floor.holder == agent

    @rule(agent=sampled_from("abc"))
    def release(self, agent: str) -> None:
        held = self.floor.holder
        assert self.floor.release(agent) == (held == agent)

    @rule(human=sampled_from("xy"), started=booleans())
    def human(self, human: str, started: bool) -> None:
        (self.floor.human_started if started else self.floor.human_stopped)(human)

    @invariant()
    def free_means_free(self) -> None:
        assert self.floor.chain <= self.floor.chain_cap
        if self.floor.holder is None and not self.floor.speaking:
            copy = Floor(chain_cap=2, chain=self.floor.chain)
            assert copy.request("a") is None


TestAnyOrder = AnyOrder.TestCase
