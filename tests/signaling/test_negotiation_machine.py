"""The state machine between two simulated ends in virtual time.

Messages are lost, late, doubled and reordered, ends sleep, reload, lose their socket or
lie, and the path breaks.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voicebot.errors import SignalingError
from voicebot.signaling.negotiation import (
    MAX_CANDIDATES,
    Action,
    Begin,
    Failed,
    Negotiation,
    PairState,
    Ready,
    Restart,
    Timeouts,
)

TIMES = Timeouts()
RESTING = {PairState.READY, PairState.FAILED, PairState.CLOSED}
BOUND = TIMES.window + TIMES.asleep + 2 * TIMES.offer + TIMES.disconnected + TIMES.adopt
PING = 10.0
BASE = 1000
"""Epochs below this one are those of the server before its restart."""

ends = st.sampled_from([0, 1])
Wire = tuple[str, int]
"""A message to or from an end: its type and epoch."""


@dataclass
class End:
    """A correct browser: offers or answers in the newest epoch, and reports its state."""

    name: str
    offers: bool
    epoch: int = 0
    agreed: int = 0
    """The epoch whose descriptions are exchanged, as this end sees it."""
    state: str = "new"
    asleep: bool = False
    inbox: list[Wire] = field(default_factory=list)
    outbox: list[Wire] = field(default_factory=list)

    def receive(self, kind: str, epoch: int) -> None:
        if kind == "begin" and epoch > self.epoch:
            self.epoch, self.state = epoch, "new"
            if self.offers:
                self.outbox.append(("offer", epoch))
        elif epoch != self.epoch:
            return
        elif kind == "offer" and not self.offers:
            self.agreed = epoch
            self.outbox.append(("answer", epoch))
        elif kind == "answer" and self.offers:
            self.agreed = epoch
        elif kind == "restart":
            self.outbox.append(("offer", epoch))

    def become(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.outbox.append((state, self.epoch))


class Between(RuleBasedStateMachine):
    """Two browsers."""

    people = ("ada", "bob")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.path = True
        self.ends = [End("ada", offers=True), End("bob", offers=False)]
        epochs = itertools.count(BASE)
        self.pair = Negotiation(
            ("ada", "bob"),
            lambda: next(epochs),
            people=self.people,
            rungs=("all", "relay_udp", "relay_tcp"),
        )
        self.begun: list[int] = []
        self.series: list[float] = []
        """When the attempts were made since there was a reason to count anew."""
        self.candidates: dict[tuple[str, int], int] = {}
        self.restarts: list[int] = []
        self.away: set[str] = set()
        self.connected: set[tuple[str, int]] = set()
        """What ends have reported, and not taken back."""

    # ------------------------------------------------------------ what the server does

    def carry_out(self, actions: list[Action], *, fresh: bool = False) -> None:
        assert len(actions) <= 1
        for action in actions:
            assert action.epoch == self.pair.epoch, "an action for an epoch that is not the current one"
            match action:
                case Begin(epoch, rung):
                    assert epoch > max(self.begun, default=BASE - 1)
                    self.begun.append(epoch)
                    self.series = [*([] if fresh else self.series), self.now]
                    assert len(self.series) <= TIMES.attempts
                    assert self.now - self.series[0] < TIMES.window
                    assert rung in self.pair.rungs
                    assert not self.away, "an attempt into an end that is not there"
                    self.tell("begin", epoch)
                case Restart(epoch):
                    assert set(self.people) == {"ada", "bob"}
                    self.restarts.append(epoch)
                    self.ends[0].inbox.append(("restart", epoch))
                case Ready():
                    assert self.pair.state is PairState.READY
                    self.series = []
                case Failed():
                    assert self.pair.state is PairState.FAILED
                    self.series = []

    def tell(self, kind: str, epoch: int) -> None:
        for end in self.ends:
            end.inbox.append((kind, epoch))

    def from_end(self, end: End, kind: str, epoch: int) -> None:
        """Handle a message as the server does."""
        waited = self.pair.state is PairState.WAITING
        if end.name in self.people:
            self.carry_out(self.pair.heard(end.name, self.now), fresh=waited)
        other = self.ends[1 - self.ends.index(end)]
        try:
            if kind == "offer":
                self.pair.offer(end.name, epoch, self.now)
                other.inbox.append((kind, epoch))
            elif kind == "answer":
                self.pair.answer(end.name, epoch, self.now)
                other.inbox.append((kind, epoch))
            elif kind != "ping":
                self.connected.discard((end.name, epoch))
                if kind == "connected":
                    self.connected.add((end.name, epoch))
                worked = self.pair.state in {PairState.READY, PairState.LOST, PairState.RESTARTING}
                actions = self.pair.report(end.name, epoch, kind, self.now)
                self.carry_out(actions, fresh=worked)
        except SignalingError:
            assert epoch != self.pair.epoch or self.pair.state is PairState.CLOSED

    def pass_time(self, until: float) -> None:
        while self.pair.due is not None and self.pair.due <= until:
            self.now = max(self.now, self.pair.due)
            before = self.pair.state
            fresh = before in {PairState.RESTARTING, PairState.LOST, PairState.ADOPTING}
            self.carry_out(self.pair.tick(self.now), fresh=fresh)
            assert self.pair.due is None or self.pair.due > self.now or self.pair.state is not before
        self.now = until

    def network(self) -> None:
        """What happens to the connection that both ends have negotiated."""
        one, other = self.ends
        if one.asleep or other.asleep:
            works = False
        else:
            works = self.path and one.agreed == other.agreed == one.epoch == other.epoch != 0
        for end in self.ends:
            if not end.asleep and end.agreed == end.epoch != 0:
                if works:
                    end.become("connected")
                elif end.state == "connected":
                    end.become("disconnected")

    # ------------------------------------------------------------ what happens to the ends

    @rule(seconds=st.floats(0.1, 30))
    def time_passes(self, seconds: float) -> None:
        self.pass_time(self.now + seconds)
        self.network()

    @rule(which=ends, data=st.data(), fate=st.sampled_from(["in", "lost", "twice"]))
    def an_end_gets_a_message(self, which: int, data: Any, fate: str) -> None:
        end = self.ends[which]
        if not end.inbox or end.asleep:
            return
        kind, epoch = end.inbox.pop(data.draw(st.integers(0, len(end.inbox) - 1)))
        for _ in range({"lost": 0, "in": 1, "twice": 2}[fate]):
            end.receive(kind, epoch)
        self.network()

    @rule(which=ends, data=st.data(), fate=st.sampled_from(["in", "lost", "twice"]))
    def the_server_gets_a_message(self, which: int, data: Any, fate: str) -> None:
        end = self.ends[which]
        if not end.outbox or end.asleep:
            return
        kind, epoch = end.outbox.pop(data.draw(st.integers(0, len(end.outbox) - 1)))
        for _ in range({"lost": 0, "in": 1, "twice": 2}[fate]):
            self.from_end(end, kind, epoch)

    @rule(which=ends)
    def an_end_falls_asleep_or_wakes(self, which: int) -> None:
        end = self.ends[which]
        if end.name in self.people:
            end.asleep = not end.asleep
            self.network()

    @rule(which=ends)
    def a_socket_is_lost(self, which: int) -> None:
        name = self.ends[which].name
        if name in self.people:
            self.away.add(name)
            self.pair.away(name)

    @rule(which=ends)
    def a_socket_is_back(self, which: int) -> None:
        name = self.ends[which].name
        if name in self.people:
            self.away.discard(name)
            self.carry_out(self.pair.back(name, self.now), fresh=True)

    @rule()
    def the_path_breaks_or_heals(self) -> None:
        self.path = not self.path
        self.network()

    @rule(which=ends)
    def an_end_reloads(self, which: int) -> None:
        end = self.ends[which]
        if end.name not in self.people:
            return
        end.epoch = end.agreed = 0
        end.state, end.asleep = "new", False
        end.inbox.clear()
        end.outbox.clear()
        self.away.discard(end.name)
        self.pair.present(end.name)
        self.carry_out(self.pair.begin(self.now), fresh=True)

    @rule(which=ends)
    def an_end_fails(self, which: int) -> None:
        if not self.ends[which].asleep and self.ends[which].epoch:
            self.ends[which].become("failed")

    @rule(
        which=ends,
        back=st.integers(0, 2),
        kind=st.sampled_from(["offer", "answer", "failed", "connected", "disconnected", "ping"]),
    )
    def an_end_says_anything(self, which: int, back: int, kind: str) -> None:
        if not self.ends[which].asleep:
            self.from_end(self.ends[which], kind, max(1, self.pair.epoch - back))

    @rule(which=ends, count=st.integers(1, 80))
    def candidates_come(self, which: int, count: int) -> None:
        name, epoch = self.ends[which].name, self.pair.epoch
        for _ in range(count):
            try:
                self.pair.candidate(name, epoch)
            except SignalingError:
                continue
            self.candidates[name, epoch] = self.candidates.get((name, epoch), 0) + 1

    @rule(code=st.sampled_from(["media_gone", "no_candidates", "bad_sdp"]), old=st.booleans())
    def this_epoch_is_lost(self, code: str, old: bool) -> None:
        worked = self.pair.state in {PairState.READY, PairState.LOST, PairState.RESTARTING}
        actions = self.pair.fail(self.pair.epoch - old, code, self.now)
        assert not (old and actions)
        self.carry_out(actions, fresh=worked)

    @rule()
    def the_server_was_restarted(self) -> None:
        if not self.begun:
            self.pair.adopt(self.now, before=BASE)
            self.series = []

    @precondition(lambda self: self.pair.state is not PairState.CLOSED)
    @rule()
    def one_leaves(self) -> None:
        self.pair.close()
        assert self.pair.report("ada", self.pair.epoch, "failed", self.now) == []
        self.carry_out(self.pair.begin(self.now), fresh=True)

    # ------------------------------------------------------------ what always holds

    @invariant()
    def every_wait_has_an_end(self) -> None:
        assert (self.pair.due is None) == (self.pair.state in RESTING)

    @invariant()
    def candidates_are_bounded(self) -> None:
        for (_, epoch), count in self.candidates.items():
            assert count <= MAX_CANDIDATES * (1 + self.restarts.count(epoch))

    @invariant()
    def ready_is_what_both_have_said(self) -> None:
        if self.pair.state is PairState.READY:
            assert {(name, self.pair.epoch) for name in self.pair.ends} <= self.connected

    def teardown(self) -> None:
        self.left_alone_it_comes_to_rest()
        self.with_all_well_it_is_ready()

    def left_alone_it_comes_to_rest(self) -> None:
        stopped = self.now
        while self.pair.due is not None:
            self.pass_time(self.pair.due)
        assert self.pair.state in RESTING
        assert self.now - stopped <= BOUND

    def with_all_well_it_is_ready(self) -> None:
        """If everyone is awake and reachable, the pair connects, at the latest when a person asks for it."""
        self.path = True
        for end in self.ends:
            end.asleep = False
            if end.name in self.people:
                self.a_socket_is_back(self.ends.index(end))
        self.run_well()
        if self.pair.state in {PairState.FAILED, PairState.CLOSED}:
            self.carry_out(self.pair.begin(self.now), fresh=True)
            self.run_well()
        one, other = self.ends
        assert self.pair.state is PairState.READY, self.pair.state
        if self.begun and one.epoch == other.epoch == self.pair.epoch:
            assert one.state == other.state == "connected"

    def run_well(self) -> None:
        """Run until nothing happens any more; no message is lost, and browsers ping."""
        end_of_it = self.now + BOUND
        pinged = self.now
        while self.now < end_of_it and self.pair.state not in RESTING:
            for end in self.ends:
                while end.inbox:
                    end.receive(*end.inbox.pop(0))
            self.network()
            for end in self.ends:
                while end.outbox:
                    self.from_end(end, *end.outbox.pop(0))
            if self.now - pinged >= PING:
                pinged = self.now
                for end in self.ends:
                    self.from_end(end, "ping", 1)
            if self.pair.state not in RESTING:
                self.pass_time(self.now + 0.5)


class Host(Between):
    """A browser and the agent host, which is always present and cannot restart ICE."""

    people = ("ada",)


TestTwoBrowsers = Between.TestCase
TestTwoBrowsers.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestABrowserAndTheAgentHost = Host.TestCase
TestABrowserAndTheAgentHost.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
