"""A session compared with a model that remembers everything, after any order of events."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from voicebot.signaling.messages import Pong
from voicebot.signaling.session import (
    KNOWN_IDS,
    KNOWN_SECONDS,
    MAX_SEQ,
    RING_MESSAGES,
    RING_SECONDS,
    Session,
)
from voicebot.signaling.written import write

LIFETIME = 3600.0


class SessionMachine(RuleBasedStateMachine):
    """The simulated client has a prefix of the sent messages, and asks for the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.first = 0
        self.session = Session("s", 0.0, LIFETIME)
        self.stamped: list[tuple[int, float]] = []
        """Everything of this numbering, with its time."""
        self.acknowledged = 0
        self.seen = 0
        """The last number the browser has."""
        self.sockets: list[int] = []
        """Fences of sockets whose closing has not been told."""
        self.open: int | None = None
        self.live = False
        self.ended = False
        self.known: dict[str, float] = {}
        """Ids and when they were carried out, oldest first."""

    @initialize(first=st.sampled_from([0, 7, 1_700_000_000_000_000]))
    def begin(self, first: int) -> None:
        self.first = self.seen = first
        self.session = Session("s", 0.0, LIFETIME, seq=first)

    # ------------------------------------------------------------ time

    @rule(seconds=st.sampled_from([0.0, 0.5, 20.0, 59.0, 61.0, 301.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(at=st.sampled_from([0.0, LIFETIME - 1, LIFETIME]))
    def asked_whether_expired(self, at: float) -> None:
        self.ended = self.ended or max(self.now, at) >= LIFETIME
        assert self.session.expired(max(self.now, at)) == self.ended

    @rule()
    def ends_early(self) -> None:
        self.session.expire()
        self.ended = True

    # ------------------------------------------------------------ sockets

    @rule()
    def a_socket_attaches(self) -> None:
        fence = self.session.attach()
        assert fence not in self.sockets
        self.sockets.append(fence)
        self.open, self.live = fence, False

    @precondition(lambda self: self.sockets)
    @rule(data=st.data())
    def a_socket_closes(self, data: st.DataObject) -> None:
        fence = data.draw(st.sampled_from(self.sockets))
        self.sockets.remove(fence)
        assert self.session.detach(fence) == (fence == self.open)
        assert not self.session.detach(fence)
        if fence == self.open:
            self.open, self.live = None, False

    @rule()
    def the_browser_begins_anew(self) -> None:
        self.session.go_live()
        if self.open is not None:
            self.live = True
            self.seen = self.session.seq

    # ------------------------------------------------------------ sending

    @rule(count=st.sampled_from([1, 2, 60, RING_MESSAGES + 1]))
    def messages_are_stamped(self, count: int) -> None:
        for _ in range(count):
            before = self.session.seq
            seq = self.session.number(write(Pong()), self.now)
            assert seq == before + 1
            self.stamped.append((seq, self.now))

    @rule(share=st.floats(0, 1))
    def some_arrive(self, share: float) -> None:
        if self.live:
            self.seen += int(share * (self.session.seq - self.seen))

    @rule()
    def the_browser_resumes(self) -> None:
        if self.open is None or self.live:
            return
        missed = self.session.replay(self.seen, self.now)
        self.live = True
        wanted = [seq for seq, _ in self.stamped if seq > self.seen]
        if wanted and not set(wanted) <= set(self.kept()):
            assert missed is None
        else:
            assert missed is not None
            assert [message.seq for message in missed] == wanted
        self.seen = self.session.seq

    @rule(ahead=st.sampled_from([1, 1000, MAX_SEQ * 2]))
    def the_browser_was_further_in_a_former_life(self, ahead: int) -> None:
        claim = self.session.seq + ahead
        before = self.session.seq
        assert self.session.replay(claim, self.now) is None
        assert self.session.seq >= max(before, min(claim, MAX_SEQ))
        self.stamped.clear()
        self.live = self.open is not None
        self.first = self.seen = self.session.seq

    @rule(behind=st.sampled_from([0, 1, 5, 60, RING_MESSAGES, RING_MESSAGES + 1]))
    def the_browser_claims_less(self, behind: int) -> None:
        """It never gets an incomplete replay as a complete one."""
        claim = max(0, self.session.seq - behind)
        missed = self.session.replay(claim, self.now)
        self.live = self.open is not None
        if missed is not None:
            assert [message.seq for message in missed] == list(range(claim + 1, self.session.seq + 1))
        if self.kept() and claim >= self.kept()[0] - 1:
            assert missed is not None
        self.seen = self.session.seq

    @rule(more=st.sampled_from([0, 1, 2]))
    def the_browser_misses_a_whole_ring(self, more: int) -> None:
        self.messages_are_stamped(RING_MESSAGES + more)
        missed = self.session.replay(self.session.seq - RING_MESSAGES - more, self.now)
        assert missed is None if more else len(missed or []) == RING_MESSAGES
        self.live = self.open is not None
        self.seen = self.session.seq

    @rule(back=st.integers(-5, 300))
    def the_browser_acknowledges(self, back: int) -> None:
        """It may acknowledge messages that were never sent."""
        seq = self.seen - back
        self.session.acknowledge(seq)
        self.acknowledged = max(self.acknowledged, min(seq, self.session.seq))

    @rule()
    def swept(self) -> None:
        self.session.forget_old(self.now)
        assert [seq for seq, *_ in self.session._ring] == self.kept()

    def kept(self) -> list[int]:
        newest = self.stamped[-RING_MESSAGES:]
        return [s for s, at in newest if at >= self.now - RING_SECONDS and s > self.acknowledged]

    # ------------------------------------------------------------ receiving

    @rule(id=st.sampled_from(["a", "b", "c"]))
    def an_id_comes(self, id: str) -> None:
        self.carry_out(id)

    @rule(seconds=st.sampled_from([0.0, KNOWN_SECONDS, KNOWN_SECONDS + 1]))
    def an_id_comes_again(self, seconds: float) -> None:
        self.carry_out("again")
        self.now += seconds
        self.carry_out("again")

    @rule(count=st.sampled_from([3, KNOWN_IDS - 1, KNOWN_IDS]))
    def many_ids_come(self, count: int) -> None:
        for _ in range(count):
            self.carry_out(f"n{len(self.known)}-{self.now}-{self.session.seq}")

    @rule()
    def a_message_without_an_id_comes(self) -> None:
        assert self.session.is_new(None, self.now)

    def carry_out(self, id: str) -> None:
        recent = list(self.known)[-KNOWN_IDS:]
        new = id not in recent or self.known[id] < self.now - KNOWN_SECONDS
        assert self.session.is_new(id, self.now) == new
        if new:
            self.known.pop(id, None)
            self.known[id] = self.now

    # ------------------------------------------------------------ always

    @invariant()
    def only_the_newest_open_socket_counts(self) -> None:
        assert self.session.attached == (self.open is not None)
        assert self.session.live == self.live
        for fence in self.sockets:
            assert self.session.holds(fence) == (fence == self.open)

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.session._ring) <= RING_MESSAGES
        assert len(self.session._known) <= KNOWN_IDS

    @invariant()
    def numbers_only_grow(self) -> None:
        assert self.session.seq >= self.first
        assert self.session.seq >= self.seen


TestSession = SessionMachine.TestCase
TestSession.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
