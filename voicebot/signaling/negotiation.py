"""The state machine of one connection, without I/O: epochs, deadlines, fallbacks and repair.

    offering -> answering -> connecting -> ready -> lost -> restarting
                                             ^       |          |
    adopting --------------------------------+-------+----------'
    any of them -> offering (the next attempt, a larger epoch) | waiting | failed | closed

The peers are two people, or a person and the lobby's agent host. Only two browsers can restart ICE.
Every input carries the time, and methods return the actions to carry out. `due` says when to call `tick`.

A failed attempt proves nothing about the path if one end was absent: its socket was lost, or it has sent
nothing since the attempt began, as a sleeping browser does. Such an attempt does not count. The pair is
`waiting`, and tries again when that end sends something.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum

from voicebot.errors import SignalingError
from voicebot.signaling.turn import IceRung

logger = logging.getLogger(__name__)

MAX_CANDIDATES = 64


class PairState(Enum):
    """The states of a connection; the module shows their order."""

    OFFERING = "offering"
    ANSWERING = "answering"
    CONNECTING = "connecting"
    READY = "ready"
    LOST = "lost"
    """An end has reported `disconnected`; the path may recover by itself."""
    RESTARTING = "restarting"
    """It has not recovered within a second; two browsers restart ICE."""
    WAITING = "waiting"
    """An end is absent."""
    ADOPTING = "adopting"
    """The server was restarted; both ends may report the epoch in which they are still connected."""
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True)
class Timeouts:
    """The deadlines of a negotiation, in seconds, and the number of attempts."""

    offer: float = 20.0
    """From `Begin` to the offer: gathering takes up to 8 s, and a person may have to answer a prompt."""
    answer: float = 12.0
    connect: float = 15.0
    """From the answer until both ends are connected: ICE and DTLS."""
    restart: float = 1.0
    """From `disconnected` to an ICE restart; most short failures end by themselves before."""
    disconnected: float = 4.0
    """How long a connection may be `disconnected`, with an ICE restart, before it counts as failed."""
    silent: float = 5.0
    """An end that sends nothing for this long after the attempt began may be asleep."""
    asleep: float = 60.0
    """How long to wait for an absent end. One without a socket leaves the lobby earlier."""
    adopt: float = 3.0
    """How long both ends, once present, have to report the same epoch after a restart."""
    attempts: int = 3
    window: float = 45.0
    """No new attempt begins later than this after the first one."""


@dataclass(frozen=True)
class Begin:
    """Tell both ends to begin this epoch with the ICE servers of this rung."""

    epoch: int
    rung: IceRung

    @property
    def relay_only(self) -> bool:
        """Whether only relays may be used."""
        return self.rung != "all"


@dataclass(frozen=True)
class Restart:
    """Tell one end to restart ICE in this epoch."""

    epoch: int


@dataclass(frozen=True)
class Ready:
    """Tell both ends that they are connected."""

    epoch: int


@dataclass(frozen=True)
class Failed:
    """Tell both ends that no connection could be made."""

    epoch: int
    code: str
    """`no_candidates`, `timeout`, `ice_failed`, or the code of the error that answered an offer."""
    message: str
    retryable: bool


Action = Begin | Restart | Ready | Failed

_WAITS = {
    PairState.OFFERING: "offer",
    PairState.ANSWERING: "answer",
    PairState.CONNECTING: "connect",
    PairState.RESTARTING: "disconnected",
    PairState.WAITING: "asleep",
}
_ATTEMPTING = {PairState.OFFERING, PairState.ANSWERING, PairState.CONNECTING}
_WORKED = {PairState.READY, PairState.LOST, PairState.RESTARTING}
_MESSAGES = {
    "no_candidates": "No network address could be found for the connection: "
    "there is no network, or the TURN server refused or does not answer.",
    "timeout": "The connection was not made in time.",
    "ice_failed": "No network path to the other side works.",
}
_NO_RELAY = "No network path to the other side works, and no TURN server could be reached."


class Negotiation:
    """The connection between one pair of peers through all its epochs.

    `people` are the ends that are browsers, which may sleep. Each attempt uses the next of `rungs`, and
    repeats the last one; they may be changed before `begin`. `next_epoch` returns growing numbers. Call
    `heard` before passing on anything from an end.
    """

    def __init__(
        self,
        ends: tuple[str, str],
        next_epoch: Callable[[], int],
        *,
        people: Collection[str] | None = None,
        rungs: tuple[IceRung, ...] = ("all",),
        timeouts: Timeouts | None = None,
    ) -> None:
        self.ends = ends
        self.epoch = 0
        self.state = PairState.CLOSED
        self.due: float | None = None
        self.rung: IceRung = rungs[0]
        self.rungs = rungs
        self.timeouts = timeouts or Timeouts()
        self._people = frozenset(ends if people is None else people)
        self._next_epoch = next_epoch
        self._attempt = 0
        self._first = self._began = self._lost = 0.0
        self._reasons: dict[str, str] = {}
        self._cause = "timeout"
        self._connected: set[str] = set()
        self._candidates = dict.fromkeys(ends, 0)
        self._away: set[str] = set()
        self._unheard: set[str] = set()
        self._claims: dict[str, int] = {}
        self._before = 0

    @property
    def unheard(self) -> frozenset[str]:
        """The ends that have sent nothing since the attempt began. Call `heard` when they do."""
        return frozenset(self._unheard)

    def begin(self, now: float) -> list[Action]:
        """Begin the first attempt, or start afresh. Waits for an absent end."""
        self._attempt, self._first, self._cause = 0, now, "timeout"
        self._reasons.clear()
        self._unheard.clear()
        return self._next(now)

    def adopt(self, now: float, before: int) -> None:
        """Wait, after a restart of the server, for the ends to report an epoch below `before`.

        They may still be connected in it.
        """
        self.epoch, self._before = 0, before
        self._claims.clear()
        self._unheard.clear()
        self._set(PairState.ADOPTING, now)

    def close(self) -> None:
        """End the connection, because one end has left. Nothing happens until `begin`."""
        self._set(PairState.CLOSED, None)

    # ------------------------------------------------------------ presence of the ends

    def away(self, end: str) -> None:
        """Note that this end has lost its socket. An existing connection stays as it is."""
        if end in self.ends:
            self._away.add(end)

    def present(self, end: str) -> None:
        """Note that this end is present. Call `begin` next."""
        self._away.discard(end)

    def back(self, end: str, now: float) -> list[Action]:
        """Note that this end has a socket again. Begins if the pair was waiting for it or had failed."""
        self._away.discard(end)
        self._unheard.discard(end)
        if self.state is PairState.ADOPTING:
            self._set(PairState.ADOPTING, now)
        elif self.state is PairState.FAILED or (self.state is PairState.WAITING and not self._absent):
            return self.begin(now)
        return []

    def heard(self, end: str, now: float) -> list[Action]:
        """Note that this end has sent something."""
        if end not in self._unheard:
            return []
        self._unheard.discard(end)
        if self.state is not PairState.WAITING or self._absent:
            return []
        self._first = now  # the time in which it was asleep does not count
        return self._next(now)

    # ------------------------------------------------------------ messages of the ends

    def offer(self, sender: str, epoch: int, now: float) -> None:
        """Note an offer before it is relayed. Raises SignalingError (`stale_epoch`)."""
        self._check(sender, epoch)
        if self.state is PairState.OFFERING:
            self._set(PairState.ANSWERING, now)

    def answer(self, sender: str, epoch: int, now: float) -> None:
        """Note an answer before it is relayed. Raises SignalingError (`stale_epoch`)."""
        self._check(sender, epoch)
        if self.state is PairState.ANSWERING:
            self._set(PairState.CONNECTING, now)

    def candidate(self, sender: str, epoch: int) -> None:
        """Count a candidate before it is relayed. Raises SignalingError (`stale_epoch`, `too_many`)."""
        self._check(sender, epoch)
        self._candidates[sender] += 1
        if self._candidates[sender] > MAX_CANDIDATES:
            raise SignalingError(
                f"There are more than {MAX_CANDIDATES} candidates in one epoch.",
                hint="Further ones are ignored until the next epoch.",
                code="too_many",
            )

    def needed(self, sender: str, epoch: int) -> None:
        """Check a `negotiation_needed` before it is relayed. Raises SignalingError (`stale_epoch`)."""
        self._check(sender, epoch)

    def report(
        self, sender: str, epoch: int, state: str, now: float, code: str = "ice_failed", reason: str = ""
    ) -> list[Action]:
        """Handle the connection state that an end reports. Reports of old epochs are ignored.

        `code` and `reason` explain a failure; see `fail`.
        """
        if sender not in self.ends or self._over:
            return []
        if self.state is PairState.ADOPTING:
            return self._claim(sender, epoch, state)
        if epoch != self.epoch:
            return []
        if state == "connected":
            self._connected.add(sender)
            if len(self._connected) == len(self.ends) and self.state is not PairState.READY:
                return self._ready(now)
        elif state == "disconnected" and self.state is PairState.READY:
            self._connected.discard(sender)
            self._lost = now
            self._set(PairState.LOST, now)
        elif state == "disconnected":
            self._connected.discard(sender)
        elif state in {"failed", "closed"}:
            self._connected.discard(sender)
            return self.fail(epoch, code, now, reason)
        return []

    def fail(self, epoch: int, code: str, now: float, reason: str = "") -> list[Action]:
        """Handle the failure of this epoch: begin the next attempt, or give up.

        `reason` is for people. If several attempts fail with the same final `code`, the newest reason counts.
        """
        if epoch != self.epoch or self.state not in _ATTEMPTING | _WORKED:
            return []
        if self.state in _WORKED:
            self._attempt, self._first = 0, now  # it had worked, so attempts count anew
            self._reasons.clear()
        elif self._away or (self._unheard and now - self._began >= self.timeouts.silent):
            self._attempt -= 1  # an end was absent
        if code == "no_candidates" and self.rung != "all":
            code, reason = "ice_failed", reason or _NO_RELAY
        if reason:
            self._reasons[code] = reason
        self._cause = code
        if code == "no_candidates":
            return [self._give_up(code)]
        if self._absent:
            self._set(PairState.WAITING, now)
            return []
        return self._next(now)

    def tick(self, now: float) -> list[Action]:
        """Act on a deadline that has passed."""
        if self.due is None or now < self.due:
            return []
        if self.state is PairState.LOST:
            self._set(PairState.RESTARTING, self._lost)
            if self._people < set(self.ends) or self._away:
                return []  # an agent host cannot restart ICE, and an absent end does not get the request
            self._candidates = dict.fromkeys(self.ends, 0)
            return [Restart(self.epoch)]
        if self.state is PairState.WAITING or (self.state is PairState.ADOPTING and self._absent):
            return [self._give_up("timeout")]
        if self.state is PairState.ADOPTING:
            return self.begin(now)
        return self.fail(self.epoch, "ice_failed" if self.state is PairState.RESTARTING else "timeout", now)

    # ------------------------------------------------------------ inside

    @property
    def _over(self) -> bool:
        return self.state in {PairState.FAILED, PairState.CLOSED}

    @property
    def _absent(self) -> bool:
        return bool(self._away or self._unheard)

    def _next(self, now: float) -> list[Action]:
        """Begin one more attempt, unless all are used up or an end is absent."""
        if self._away:
            self._set(PairState.WAITING, now)
            return []
        if self._attempt >= self.timeouts.attempts or now - self._first >= self.timeouts.window:
            return [self._give_up(self._cause)]
        self.rung = self.rungs[min(self._attempt, len(self.rungs) - 1)]
        self._attempt += 1
        self.epoch, self._began = self._next_epoch(), now
        self._connected.clear()
        self._unheard = set(self._people)
        self._candidates = dict.fromkeys(self.ends, 0)
        self._set(PairState.OFFERING, now)
        return [Begin(self.epoch, self.rung)]

    def _give_up(self, code: str) -> Failed:
        self._unheard.clear()
        self.epoch = self.epoch or self._next_epoch()  # a client names it to ask for another attempt
        self._set(PairState.FAILED, None)
        message = self._reasons.get(code) or _MESSAGES.get(code, code)
        return Failed(self.epoch, code, message, retryable=code != "no_candidates")

    def _ready(self, now: float) -> list[Action]:
        self._attempt, self._first = 0, now
        self._unheard.clear()
        self._set(PairState.READY, None)
        return [Ready(self.epoch)]

    def _claim(self, sender: str, epoch: int, state: str) -> list[Action]:
        """An end reports its state after a restart of the server."""
        if state == "connected" and epoch < self._before:
            self._claims[sender] = epoch
        elif self._claims.get(sender) == epoch:
            del self._claims[sender]
        if [self._claims.get(end) for end in self.ends] != [epoch, epoch]:
            return []
        self.epoch = epoch
        self._connected = set(self.ends)
        self._candidates = dict.fromkeys(self.ends, 0)
        self._set(PairState.READY, None)
        return [Ready(epoch)]

    def _check(self, sender: str, epoch: int) -> None:
        if sender not in self.ends or epoch != self.epoch or self.state is PairState.CLOSED:
            raise SignalingError(
                f"Epoch {epoch} is not the current epoch of this connection.",
                hint="Wait for start_webrtc_negotiation and use its epoch.",
                code="stale_epoch",
            )

    def _set(self, state: PairState, since: float | None) -> None:
        logger.debug("%s, epoch %d: %s -> %s", "-".join(self.ends), self.epoch, self.state.value, state.value)
        self.state = state
        self.due = None if since is None else self._deadline(state, since)

    def _deadline(self, state: PairState, since: float) -> float | None:
        if state is PairState.LOST:
            return since + min(self.timeouts.restart, self.timeouts.disconnected)
        if state is PairState.ADOPTING:
            return since + (self.timeouts.asleep if self._absent else self.timeouts.adopt)
        wait = _WAITS.get(state)
        return None if wait is None else since + float(getattr(self.timeouts, wait))
