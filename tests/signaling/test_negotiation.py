from __future__ import annotations

import itertools
from collections.abc import Collection

import pytest

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
from voicebot.signaling.turn import IceRung

TIMES = Timeouts()


def pair(*rungs: IceRung, people: Collection[str] = ("ada",)) -> Negotiation:
    """A person and an agent host; with `people=("ada", "host")` both are browsers."""
    epochs = itertools.count(1)
    return Negotiation(("ada", "host"), lambda: next(epochs), people=people, rungs=rungs or ("all",))


BOTH = ("ada", "host")


def connected(negotiation: Negotiation, now: float = 0.0) -> list[Action]:
    epoch = negotiation.epoch
    negotiation.offer("ada", epoch, now)
    negotiation.answer("host", epoch, now)
    assert negotiation.report("ada", epoch, "connected", now) == []
    return negotiation.report("host", epoch, "connected", now)


def test_ready_when_both_have_reported_connected() -> None:
    negotiation = pair()
    assert negotiation.begin(0.0) == [Begin(1, "all")]
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
        assert negotiation.report(sender, epoch, "connected", 1.0) == []
    assert negotiation.report("host", 2, "connected", 1.0) == []
    negotiation.close()
    with pytest.raises(SignalingError):
        negotiation.candidate("ada", 2)


def test_candidates_are_limited_per_epoch_and_end() -> None:
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


def test_attempts_try_everything_then_udp_and_tcp_relays_then_fail() -> None:
    negotiation = pair("all", "relay_udp", "relay_tcp")
    (first,) = negotiation.begin(0.0)
    assert first == Begin(1, "all")
    assert isinstance(first, Begin)
    assert not first.relay_only
    negotiation.heard("ada", 0.0)
    (second,) = negotiation.report("ada", 1, "failed", 5.0)
    assert second == Begin(2, "relay_udp")
    assert isinstance(second, Begin)
    assert second.relay_only
    negotiation.heard("ada", 5.0)
    assert negotiation.report("host", 2, "failed", 10.0) == [Begin(3, "relay_tcp")]
    assert negotiation.rung == "relay_tcp"
    negotiation.heard("ada", 10.0)
    (failed,) = negotiation.report("ada", 3, "failed", 15.0)
    assert isinstance(failed, Failed)
    assert (failed.epoch, failed.code, failed.retryable) == (3, "ice_failed", True)
    assert negotiation.report("ada", 3, "failed", 16.0) == []
    assert negotiation.begin(20.0) == [Begin(4, "all")]


def test_missing_rungs_are_skipped_and_the_last_one_is_repeated() -> None:
    negotiation = pair("all", "relay_tcp")
    rungs = []
    actions = negotiation.begin(0.0)
    while isinstance(actions[0], Begin):
        rungs.append(actions[0].rung)
        negotiation.heard("ada", 0.0)
        actions = negotiation.report("ada", negotiation.epoch, "failed", 0.0)
    assert rungs == ["all", "relay_tcp", "relay_tcp"]


def test_an_unreachable_relay_fails_its_rung_only() -> None:
    negotiation = pair("all", "relay_udp", "relay_tcp")
    negotiation.begin(0.0)
    negotiation.heard("ada", 0.0)
    negotiation.report("ada", 1, "failed", 1.0)
    negotiation.heard("ada", 1.0)
    assert negotiation.report("ada", 2, "failed", 2.0, "no_candidates") == [Begin(3, "relay_tcp")]
    negotiation.heard("ada", 2.0)
    (failed,) = negotiation.report("ada", 3, "failed", 3.0, "no_candidates")
    assert isinstance(failed, Failed)
    assert (failed.code, failed.retryable) == ("ice_failed", True)
    assert "TURN" in failed.message


def test_no_candidates_at_all_fails_at_once() -> None:
    negotiation = pair()
    negotiation.begin(0.0)
    (failed,) = negotiation.report("ada", 1, "failed", 1.0, "no_candidates")
    assert isinstance(failed, Failed)
    assert (failed.code, failed.retryable) == ("no_candidates", False)


def test_the_newest_reason_with_the_final_code_is_reported() -> None:
    negotiation = pair()
    negotiation.begin(0.0)
    negotiation.heard("ada", 0.0)
    negotiation.fail(1, "media_gone", 1.0, "The engine stopped.")
    negotiation.heard("ada", 1.0)
    negotiation.report("host", 2, "failed", 2.0, reason="A TURN server may be needed.")
    negotiation.heard("ada", 2.0)
    (failed,) = negotiation.report("ada", 3, "failed", 3.0)
    assert isinstance(failed, Failed)
    assert (failed.code, failed.message) == ("ice_failed", "A TURN server may be needed.")
    negotiation.begin(4.0)
    for epoch in (4, 5):
        negotiation.heard("ada", 4.0)
        negotiation.report("ada", epoch, "failed", 5.0)
    negotiation.heard("ada", 5.0)
    (failed,) = negotiation.report("ada", 6, "failed", 6.0)
    assert isinstance(failed, Failed)
    assert failed.message == "No network path to the other side works."


def test_missed_deadlines_count_as_attempts() -> None:
    negotiation = pair()
    negotiation.begin(0.0)
    negotiation.heard("ada", 1.0)
    assert negotiation.tick(TIMES.offer - 0.1) == []
    assert negotiation.tick(TIMES.offer) == [Begin(2, "all")]
    negotiation.heard("ada", TIMES.offer + 1)
    assert negotiation.tick(2 * TIMES.offer) == [Begin(3, "all")]
    negotiation.heard("ada", 2 * TIMES.offer + 1)
    (failed,) = negotiation.tick(3 * TIMES.offer)
    assert isinstance(failed, Failed)
    assert failed.code == "timeout"
    assert negotiation.due is None


def test_no_attempt_is_made_later_than_45_seconds_after_the_first() -> None:
    negotiation = pair()
    negotiation.begin(0.0)
    for now in (0.0, TIMES.window - 1):
        negotiation.heard("ada", now)
    assert negotiation.fail(1, "timeout", TIMES.window - 1) == [Begin(2, "all")]
    negotiation.heard("ada", TIMES.window - 1)
    (failed,) = negotiation.fail(2, "timeout", TIMES.window)
    assert isinstance(failed, Failed)


def test_only_a_long_disconnection_starts_a_new_epoch() -> None:
    negotiation = pair()
    negotiation.begin(0.0)
    connected(negotiation)
    negotiation.report("ada", 1, "disconnected", 10.0)
    assert negotiation.state is PairState.LOST
    assert negotiation.tick(11.0) == []  # an agent host cannot restart ICE
    assert negotiation.report("ada", 1, "connected", 12.0) == [Ready(1)]
    negotiation.report("ada", 1, "disconnected", 20.0)
    assert negotiation.tick(20.0 + TIMES.restart) == []
    assert negotiation.due == 20.0 + TIMES.disconnected
    assert negotiation.tick(20.0 + TIMES.disconnected) == [Begin(2, "all")]


# ------------------------------------------------------------ repair between two browsers


def test_browsers_restart_ice_after_a_second_and_then_begin_a_new_epoch() -> None:
    negotiation = pair(people=BOTH)
    negotiation.begin(0.0)
    connected(negotiation)
    negotiation.report("host", 1, "disconnected", 10.0)
    assert negotiation.tick(10.9) == []
    assert negotiation.tick(11.0) == [Restart(1)]
    assert (negotiation.state, negotiation.due) == (PairState.RESTARTING, 14.0)
    negotiation.offer("ada", 1, 11.1)
    negotiation.answer("host", 1, 11.2)
    assert negotiation.report("host", 1, "connected", 11.5) == [Ready(1)]
    assert (negotiation.state, negotiation.due) == (PairState.READY, None)
    for end in BOTH:
        negotiation.report(end, 1, "disconnected", 20.0)
    assert negotiation.tick(21.0) == [Restart(1)]
    assert negotiation.report("ada", 1, "connected", 22.0) == []
    assert negotiation.tick(24.0) == [Begin(2, "all")]


def test_an_ice_restart_has_its_own_candidate_limit() -> None:
    negotiation = pair(people=BOTH)
    negotiation.begin(0.0)
    connected(negotiation)
    for _ in range(MAX_CANDIDATES):
        negotiation.candidate("ada", 1)
    negotiation.report("ada", 1, "disconnected", 10.0)
    negotiation.tick(11.0)
    for _ in range(MAX_CANDIDATES):
        negotiation.candidate("ada", 1)
    with pytest.raises(SignalingError):
        negotiation.candidate("ada", 1)


def test_a_failed_report_starts_a_new_epoch_at_once() -> None:
    negotiation = pair(people=BOTH)
    negotiation.begin(0.0)
    connected(negotiation)
    negotiation.report("ada", 1, "disconnected", 10.0)
    assert negotiation.report("ada", 1, "failed", 10.2) == [Begin(2, "all")]


# ------------------------------------------------------------ ends that sleep


def test_attempts_with_a_sleeping_end_do_not_count() -> None:
    negotiation = pair("all", "relay_udp", people=BOTH)
    negotiation.begin(0.0)
    connected(negotiation)
    assert negotiation.report("ada", 1, "disconnected", 10.0) == []
    negotiation.tick(11.0)
    assert negotiation.tick(14.0) == [Begin(2, "all")]
    assert negotiation.unheard == {"ada", "host"}
    negotiation.heard("ada", 14.1)
    negotiation.offer("ada", 2, 14.1)
    assert negotiation.tick(14.1 + TIMES.answer) == []
    assert (negotiation.state, negotiation.unheard) == (PairState.WAITING, {"host"})
    assert negotiation.report("ada", 2, "failed", 29.1) == []
    assert negotiation.heard("ada", 29.1) == []
    assert negotiation.heard("host", 50.0) == [Begin(3, "all")]  # the same rung once more
    for end in BOTH:
        negotiation.heard(end, 51.0)
    assert negotiation.report("ada", 3, "failed", 60.0) == [Begin(4, "relay_udp")]


def test_an_early_failure_with_a_silent_end_counts_as_an_attempt() -> None:
    negotiation = pair(people=BOTH)
    negotiation.begin(0.0)
    begun = 1
    for now in range(10):  # the one fails before anything can have come from the other
        negotiation.heard("ada", now)
        negotiation.report("ada", negotiation.epoch, "failed", now)
        begun += sum(isinstance(a, Begin) for a in negotiation.heard("host", now + 0.5))
    assert begun == TIMES.attempts
    assert negotiation.state is PairState.FAILED


def test_an_attempt_waits_for_an_end_without_a_socket() -> None:
    negotiation = pair(people=BOTH)
    negotiation.begin(0.0)
    connected(negotiation)
    negotiation.away("host")
    assert negotiation.state is PairState.READY
    negotiation.report("ada", 1, "disconnected", 10.0)
    assert negotiation.tick(11.0) == []  # nobody would hear of a restart
    assert negotiation.tick(14.0) == []
    assert negotiation.state is PairState.WAITING
    assert negotiation.heard("host", 15.0) == []  # such as the first word on its new socket
    assert negotiation.back("host", 15.0) == [Begin(2, "all")]


def test_a_connection_may_recover_while_an_end_is_away() -> None:
    negotiation = pair(people=BOTH)
    negotiation.begin(0.0)
    connected(negotiation)
    negotiation.away("host")
    negotiation.report("ada", 1, "disconnected", 10.0)
    negotiation.tick(11.0)
    negotiation.tick(14.0)
    assert negotiation.report("ada", 1, "connected", 16.0) == [Ready(1)]
    assert negotiation.back("host", 17.0) == []


def test_begin_waits_for_an_absent_end_for_a_limited_time() -> None:
    negotiation = pair(people=BOTH)
    negotiation.away("host")
    assert negotiation.begin(0.0) == []
    (failed,) = negotiation.tick(TIMES.asleep)
    assert isinstance(failed, Failed)
    assert (failed.code, failed.retryable) == ("timeout", True)
    assert failed.epoch >= 1
    negotiation.needed("ada", failed.epoch)
    (begin,) = negotiation.back("host", 100.0)
    assert isinstance(begin, Begin)
    assert begin.epoch > failed.epoch


# ------------------------------------------------------------ after a restart of the server


def test_an_epoch_that_both_ends_report_is_adopted() -> None:
    epochs = itertools.count(1000)
    negotiation = Negotiation(BOTH, lambda: next(epochs))
    for end in BOTH:
        negotiation.away(end)
    negotiation.adopt(0.0, before=1000)
    assert negotiation.due == TIMES.asleep
    assert negotiation.back("ada", 1.0) == []
    assert negotiation.report("ada", 7, "connected", 1.0) == []
    assert negotiation.back("host", 6.0) == []
    assert negotiation.due == 6.0 + TIMES.adopt
    assert negotiation.report("host", 6, "connected", 6.0) == []
    assert negotiation.report("host", 7, "connected", 7.0) == [Ready(7)]
    assert (negotiation.state, negotiation.epoch, negotiation.due) == (PairState.READY, 7, None)
    negotiation.candidate("ada", 7)
    negotiation.report("ada", 7, "disconnected", 20.0)
    assert negotiation.tick(21.0) == [Restart(7)]
    assert negotiation.tick(24.0) == [Begin(1000, "all")]


@pytest.mark.parametrize(("claims", "ready"), [((7, 7), True), ((7, 6), False), ((1000, 1000), False)])
def test_ends_that_report_different_epochs_begin_anew(claims: tuple[int, int], ready: bool) -> None:
    epochs = itertools.count(1000)
    negotiation = Negotiation(BOTH, lambda: next(epochs))
    negotiation.adopt(0.0, before=1000)
    for end, epoch in zip(BOTH, claims, strict=True):
        negotiation.report(end, epoch, "connected", 1.0)
    assert (negotiation.state is PairState.READY) == ready
    assert negotiation.tick(TIMES.adopt) == ([] if ready else [Begin(1000, "all")])


def test_a_claim_can_be_withdrawn() -> None:
    negotiation = pair(people=BOTH)
    negotiation.adopt(0.0, before=10)
    negotiation.report("ada", 7, "connected", 1.0)
    negotiation.report("ada", 7, "disconnected", 1.5)
    assert negotiation.report("host", 7, "connected", 2.0) == []
