from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.errors import SignalingError
from voicebot.signaling.negotiation import (
    MAX_CANDIDATES,
    Action,
    Begin,
    Failed,
    Negotiation,
    PairState,
    Ready,
    Rung,
    Timeouts,
)

TIMES = Timeouts()


def pair(*rungs: Rung) -> Negotiation:
    epochs = itertools.count(1)
    return Negotiation(("ada", "host"), lambda: next(epochs), rungs=rungs or ("all",))


def connected(negotiation: Negotiation, now: float = 0.0) -> list[Action]:
    epoch = negotiation.epoch
    negotiation.offer("ada", epoch, now)
    negotiation.answer("host", epoch, now)
    assert negotiation.report("ada", epoch, "connected", now) == []
    return negotiation.report("host", epoch, "connected", now)


def test_ready_when_both_have_reported_connected() -> None:
    negotiation = pair()
    assert negotiation.begin(0.0) == [Begin(1, relay_only=False)]
    assert negotiation.due == TIMES.offer
    negotiation.offer("ada", 1, 1.0)
    assert (negotiation.state, negotiation.due) == (PairState.ANSWERING, 1.0 + TIMES.answer)
    negotiation.answer("host", 1, 2.0)
    assert (negotiation.state, negotiation.due) == (PairState.CONNECTING, 2.0 + TIMES.connect)
    assert negotiation.report("host", 1, "connected", 3.0) == []
    assert negotiation.report("host", 1, "connected", 3.0) == []
    assert negotiation.report("ada", 1, "connected", 3.5) == [Ready(1)]
    assert (negotiation.state, negotiation.due) == (PairState.READY, None)
    assert negotiation.report("ada", 1, "connected", 4.0) == []


def test_renegotiation_of_a_ready_pair_keeps_it_ready() -> None:
    negotiation = pair()
    negotiation.begin(0.0)
    connected(negotiation)
    negotiation.offer("ada", 1, 5.0)
    negotiation.needed("ada", 1)
    negotiation.answer("host", 1, 5.0)
    assert negotiation.state is PairState.READY


def test_old_epochs_and_strangers_are_refused() -> None:
    negotiation = pair()
    negotiation.begin(0.0)
    negotiation.begin(1.0)
    for sender, epoch in (("ada", 1), ("ada", 3), ("eve", 2)):
        with pytest.raises(SignalingError) as caught:
            negotiation.offer(sender, epoch, 1.0)
        assert caught.value.code == "stale_epoch"
        assert negotiation.report(sender, epoch, "failed", 1.0) == []
    negotiation.close()
    with pytest.raises(SignalingError):
        negotiation.candidate("ada", 2)


def test_candidates_are_bounded_per_epoch_and_end() -> None:
    negotiation = pair()
    negotiation.begin(0.0)
    for _ in range(MAX_CANDIDATES):
        negotiation.candidate("ada", 1)
    negotiation.candidate("host", 1)
    with pytest.raises(SignalingError) as caught:
        negotiation.candidate("ada", 1)
    assert caught.value.code == "too_many"
    negotiation.begin(1.0)
    negotiation.candidate("ada", 2)


def test_the_ladder_goes_from_all_to_relay_to_failed() -> None:
    negotiation = pair("all", "relay")
    assert negotiation.begin(0.0) == [Begin(1, relay_only=False)]
    assert negotiation.report("ada", 1, "failed", 5.0) == [Begin(2, relay_only=True)]
    assert negotiation.report("host", 2, "failed", 10.0) == [Begin(3, relay_only=True)]
    (failed,) = negotiation.report("ada", 3, "failed", 15.0)
    assert isinstance(failed, Failed)
    assert (failed.epoch, failed.code, failed.retryable) == (3, "ice_failed", True)
    assert negotiation.report("ada", 3, "failed", 16.0) == []
    assert negotiation.begin(20.0) == [Begin(4, relay_only=False)]


def test_no_candidates_at_all_fails_at_once() -> None:
    negotiation = pair()
    negotiation.begin(0.0)
    (failed,) = negotiation.report("ada", 1, "failed", 1.0, "no_candidates")
    assert isinstance(failed, Failed)
    assert (failed.code, failed.retryable) == ("no_candidates", False)


def test_the_newest_reason_of_the_code_that_remains_is_told() -> None:
    negotiation = pair()
    negotiation.begin(0.0)
    negotiation.fail(1, "media_gone", 1.0, "The engine stopped.")
    negotiation.report("host", 2, "failed", 2.0, reason="A TURN server may be needed.")
    (failed,) = negotiation.report("ada", 3, "failed", 3.0)
    assert isinstance(failed, Failed)
    assert (failed.code, failed.message) == ("ice_failed", "A TURN server may be needed.")
    negotiation.begin(4.0)
    for epoch in (4, 5):
        negotiation.report("ada", epoch, "failed", 5.0)
    (failed,) = negotiation.report("ada", 6, "failed", 6.0)
    assert isinstance(failed, Failed)
    assert failed.message == "No network path to the other side works."


def test_missed_deadlines_are_attempts_too_and_the_window_ends_them() -> None:
    negotiation = pair()
    negotiation.begin(0.0)
    assert negotiation.tick(TIMES.offer - 0.1) == []
    assert negotiation.tick(TIMES.offer) == [Begin(2, relay_only=False)]
    assert negotiation.tick(2 * TIMES.offer) == [Begin(3, relay_only=False)]
    (failed,) = negotiation.tick(3 * TIMES.offer)
    assert isinstance(failed, Failed)
    assert failed.code == "timeout"
    assert negotiation.due is None


def test_a_short_disconnection_is_forgiven_a_long_one_repaired() -> None:
    negotiation = pair()
    negotiation.begin(0.0)
    connected(negotiation)
    negotiation.report("ada", 1, "disconnected", 10.0)
    assert negotiation.state is PairState.LOST
    assert negotiation.report("ada", 1, "connected", 12.0) == [Ready(1)]
    negotiation.report("ada", 1, "disconnected", 20.0)
    assert negotiation.tick(20.0 + TIMES.disconnected) == [Begin(2, relay_only=False)]


INPUTS = st.tuples(
    st.sampled_from(["offer", "answer", "candidate", "report", "tick", "begin", "close", "fail"]),
    st.sampled_from(["ada", "host", "eve"]),
    st.integers(0, 6),
    st.sampled_from(["connecting", "connected", "disconnected", "failed", "closed"]),
    st.floats(0, 30),
)


@given(st.lists(INPUTS, max_size=40))
def test_whatever_comes_in_epochs_grow_and_every_wait_has_an_end(
    inputs: list[tuple[str, str, int, str, float]],
) -> None:
    negotiation, now, epochs = pair("all", "relay"), 0.0, [0]
    for what, sender, epoch, state, passed in inputs:
        now += passed
        actions: list[Action] = []
        try:
            match what:
                case "offer":
                    negotiation.offer(sender, epoch, now)
                case "answer":
                    negotiation.answer(sender, epoch, now)
                case "candidate":
                    negotiation.candidate(sender, epoch)
                case "report":
                    actions = negotiation.report(sender, epoch, state, now)
                case "tick":
                    actions = negotiation.tick(now)
                case "begin":
                    actions = negotiation.begin(now)
                case "fail":
                    actions = negotiation.fail(epoch, "media_gone", now)
                case "close":
                    negotiation.close()
        except SignalingError:
            continue
        begun = [a.epoch for a in actions if isinstance(a, Begin)]
        assert all(new > epochs[-1] for new in begun)
        epochs += begun
        waits = negotiation.state in {
            PairState.OFFERING,
            PairState.ANSWERING,
            PairState.CONNECTING,
            PairState.LOST,
        }
        assert (negotiation.due is not None) == waits
    for _ in range(10):  # left alone, it always comes to rest
        if negotiation.due is not None:
            negotiation.tick(negotiation.due)
    assert negotiation.state in {PairState.READY, PairState.FAILED, PairState.CLOSED}
