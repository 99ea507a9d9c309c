from __future__ import annotations

import gc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.signaling.messages import AgentStateChanged, AgentStateData, Pong
from voicebot.signaling.session import KNOWN_IDS, KNOWN_SECONDS, RING_MESSAGES, RING_SECONDS, Session
from voicebot.signaling.written import write


def stamped(session: Session, count: int, now: float = 0.0) -> list[int | None]:
    return [session.number(write(Pong()), now) for _ in range(count)]


def test_expiry_is_final() -> None:
    session = Session("s", now=0.0, lifetime=10.0)
    assert not session.expired(9.9)
    assert session.expired(10.0)
    assert session.expired(0.0)
    early = Session("s", now=0.0)
    early.expire()
    assert early.expired(0.0)


def test_a_new_socket_fences_off_older_ones() -> None:
    session = Session("s", 0.0)
    first = session.attach()
    second = session.attach()
    assert not session.holds(first)
    assert session.holds(second)
    assert not session.detach(first)
    assert session.attached
    assert session.detach(second)
    assert not session.attached
    assert not session.detach(second)


def test_no_numbered_message_is_sent_before_the_client_has_sent_one() -> None:
    session = Session("s", 0.0)
    session.go_live()
    assert not session.live
    session.attach()
    assert not session.live
    session.go_live()
    assert session.live
    session.attach()
    assert not session.live


def test_a_replay_contains_exactly_the_missed_messages() -> None:
    session = Session("s", 0.0)
    session.attach()
    assert stamped(session, 5) == [1, 2, 3, 4, 5]
    assert session.replay(5, 1.0) == []
    missed = session.replay(2, 1.0)
    assert missed is not None
    assert [m.seq for m in missed] == [3, 4, 5]
    assert session.live


@pytest.mark.parametrize(("last_seq", "now"), [(9, 0.0), (0, RING_SECONDS + 1)])
def test_an_incomplete_replay_is_refused(last_seq: int, now: float) -> None:
    session = Session("s", 0.0)
    stamped(session, 5)
    assert session.replay(last_seq, now) is None


def test_the_ring_is_bounded() -> None:
    session = Session("s", 0.0)
    stamped(session, RING_MESSAGES + 10)
    assert session.replay(9, 0.0) is None
    kept = session.replay(10, 0.0)
    assert kept is not None
    assert len(kept) == RING_MESSAGES


def test_acknowledged_messages_are_forgotten() -> None:
    session = Session("s", 0.0)
    stamped(session, 5)
    session.acknowledge(3)
    session.acknowledge(10**9)
    assert session.replay(5, 0.0) == []
    assert session.replay(3, 0.0) is None


def test_a_message_id_is_new_once() -> None:
    session = Session("s", 0.0)
    assert session.is_new("a", 0.0)
    assert not session.is_new("a", 1.0)
    assert session.is_new(None, 1.0)
    assert session.is_new(None, 1.0)
    assert session.is_new("a", KNOWN_SECONDS + 1)
    for number in range(KNOWN_IDS):
        assert session.is_new(f"n{number}", KNOWN_SECONDS + 1)
    assert session.is_new("a", KNOWN_SECONDS + 1)


@given(st.lists(st.one_of(st.just("send"), st.just("cut"), st.integers(1, 3)), max_size=60))
def test_disconnections_lose_and_repeat_nothing(steps: list[Any]) -> None:
    """A client that resumes after every disconnection gets each message once, in order."""
    session, got, sent = Session("s", 0.0), list[int](), 0
    session.attach()
    session.go_live()
    for step in steps:
        if step == "cut":
            session.attach()
            missed = session.replay(got[-1] if got else 0, 0.0)
            assert missed is not None
            got += [m.seq for m in missed if m.seq is not None]
        else:
            alive = step == "send"  # else: stamped while the network is dead
            for _ in range(1 if alive else step):
                seq = session.number(write(Pong()), 0.0)
                sent += 1
                if alive and seq is not None and (got[-1] if got else 0) == seq - 1:
                    got.append(seq)
    missed = session.replay(got[-1] if got else 0, 0.0)
    assert missed is not None
    assert got + [m.seq for m in missed] == list(range(1, sent + 1))


def test_the_garbage_collector_skips_messages_kept_for_a_replay() -> None:
    session = Session("s", 0.0)
    data = AgentStateData(participant_id="a", state="idle")
    for message in (Pong(), AgentStateChanged(lobby="l", data=data)):
        session.number(write(message), 0.0)
    for _ in range(3):  # what holds a tuple may be looked at before the tuple is: once for each level
        gc.collect()
    assert [gc.is_tracked(kept) for kept in session._ring] == [False, False]
