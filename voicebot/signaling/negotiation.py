"""How two peers come to a connection, without any I/O: epochs, states, deadlines, ladder, repair.

    offering -> answering -> connecting -> ready -> lost -> restarting
                                             ^       |          |
    adopting --------------------------------+-------+----------'
    any of them -> offering (the next attempt, a larger epoch) | waiting | failed | closed

The pair is two people, or a person and the lobby's agent host; the machine is the same, except
that only a connection between two browsers can restart ICE. Inputs carry the time; what is to be
done comes back as actions. `due` says when `tick` must be called next.

An attempt into a browser that sleeps proves nothing about the path. What an end that is not there
(its socket is lost, or it has said nothing at all since the attempt began) has spoiled is not
counted: the pair is `waiting`, and tries again with that end's first sign of life.
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
    OFFERING = "offering"
    ANSWERING = "answering"
    CONNECTING = "connecting"
    READY = "ready"
    LOST = "lost"
    """An end has reported `disconnected`: the path may come back by itself."""
    RESTARTING = "restarting"
    """It has not within a second; two browsers look for a new path on the same connection."""
    WAITING = "waiting"
    """For a sign of life from an end that is not there."""
    ADOPTING = "adopting"
    """The server was restarted: for both ends to report the epoch in which they are still connected."""
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True)
class Timeouts:
    """Seconds, and how often to try."""

    offer: float = 20.0
    """Begin to offer: gathering (8 s) and a person at a permission prompt."""
    answer: float = 12.0
    connect: float = 15.0
    """Answer to both connected: ICE and DTLS."""
    restart: float = 1.0
    """From `disconnected` to a restart of ICE: most paths that stop for a moment come back by themselves."""
    disconnected: float = 4.0
    """How long a connection may be `disconnected`, a restart of ICE included, before it counts as failed."""
    silent: float = 5.0
    """An end that has said nothing for so long since the attempt began may be asleep."""
    asleep: float = 60.0
    """How long to wait for an end that is not there; a lost one has left the lobby before."""
    adopt: float = 3.0
    """How long both ends, once they are here, have to report the same epoch after a restart."""
    attempts: int = 3
    window: float = 45.0
    """No new attempt later than this after the first one."""


@dataclass(frozen=True)
class Begin:
    """Tell both ends to begin, with this epoch and the ICE servers of this rung."""

    epoch: int
    rung: IceRung

    @property
    def relay_only(self) -> bool:
        return self.rung != "all"


@dataclass(frozen=True)
class Restart:
    """Tell one end to restart ICE on the connection of this epoch."""

    epoch: int


@dataclass(frozen=True)
class Ready:
    """Both ends are connected: tell them."""

    epoch: int


@dataclass(frozen=True)
class Failed:
    """No connection could be made: tell them."""

    epoch: int
    code: str
    """`no_candidates`, `timeout`, `ice_failed`, or that of the error which an offer led to."""
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
    """One pair of peers through all its epochs.

    `people` are those of the two ends that are browsers, which may sleep. `rungs` is the ladder:
    the first attempt uses the first, later ones the next, the last one again and again; it may be
    changed before a `begin`. `next_epoch` gives numbers that only grow. Of everything that comes
    from an end `heard` is told first.
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
        """The ends from which a sign of life is awaited: call `heard` with their next one."""
        return frozenset(self._unheard)

    def begin(self, now: float) -> list[Action]:
        """The first attempt, or a fresh start after anything; it waits for an end that is away."""
        self._attempt, self._first, self._cause = 0, now, "timeout"
        self._reasons.clear()
        self._unheard.clear()
        return self._next(now)

    def adopt(self, now: float, before: int) -> None:
        """The ends may still be connected in an epoch smaller than `before`, of which nothing is known."""
        self.epoch, self._before = 0, before
        self._claims.clear()
        self._unheard.clear()
        self._set(PairState.ADOPTING, now)

    def close(self) -> None:
        """One end has gone; nothing happens any more until `begin`."""
        self._set(PairState.CLOSED, None)

    # ------------------------------------------------------------ whether the ends are there

    def away(self, end: str) -> None:
        """This end's socket is lost. What is connected stays so."""
        if end in self.ends:
            self._away.add(end)

    def present(self, end: str) -> None:
        """This end is there, and `begin` follows."""
        self._away.discard(end)

    def back(self, end: str, now: float) -> list[Action]:
        """This end has a socket again: what had waited for it begins at once, and what had failed."""
        self._away.discard(end)
        self._unheard.discard(end)
        if self.state is PairState.ADOPTING:
            self._set(PairState.ADOPTING, now)
        elif self.state is PairState.FAILED or (self.state is PairState.WAITING and not self._absent):
            return self.begin(now)
        return []

    def heard(self, end: str, now: float) -> list[Action]:
        """Anything at all has come from this end."""
        if end not in self._unheard:
            return []
        self._unheard.discard(end)
        if self.state is not PairState.WAITING or self._absent:
            return []
        self._first = now  # the time asleep does not count
        return self._next(now)

    # ------------------------------------------------------------ what peers send

    def offer(self, sender: str, epoch: int, now: float) -> None:
        """An offer is to be passed on. Raises SignalingError (`stale_epoch`)."""
        self._check(sender, epoch)
        if self.state is PairState.OFFERING:
            self._set(PairState.ANSWERING, now)

    def answer(self, sender: str, epoch: int, now: float) -> None:
        """An answer is to be passed on. Raises SignalingError (`stale_epoch`)."""
        self._check(sender, epoch)
        if self.state is PairState.ANSWERING:
            self._set(PairState.CONNECTING, now)

    def candidate(self, sender: str, epoch: int) -> None:
        """A candidate is to be passed on. Raises SignalingError (`stale_epoch`, `too_many`)."""
        self._check(sender, epoch)
        self._candidates[sender] += 1
        if self._candidates[sender] > MAX_CANDIDATES:
            raise SignalingError(
                f"More than {MAX_CANDIDATES} candidates in one epoch.",
                hint="The further ones are ignored.",
                code="too_many",
            )

    def needed(self, sender: str, epoch: int) -> None:
        """A wish to renegotiate is to be passed on. Raises SignalingError (`stale_epoch`)."""
        self._check(sender, epoch)

    def report(
        self, sender: str, epoch: int, state: str, now: float, code: str = "ice_failed", reason: str = ""
    ) -> list[Action]:
        """An end's connection state; that of an old epoch is no news. `code` and `reason` as in `fail`."""
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
        """This epoch is lost: the next attempt, or the end of them.

        `reason` is for people; the newest of the code that remains in the end is told.
        """
        if epoch != self.epoch or self.state not in _ATTEMPTING | _WORKED:
            return []
        if self.state in _WORKED:
            self._attempt, self._first = 0, now  # it worked before: a new count of attempts
            self._reasons.clear()
        elif self._away or (self._unheard and now - self._began >= self.timeouts.silent):
            self._attempt -= 1  # one end was not there
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
        """Time has passed; what a missed deadline leads to."""
        if self.due is None or now < self.due:
            return []
        if self.state is PairState.LOST:
            self._set(PairState.RESTARTING, self._lost)
            if self._people < set(self.ends) or self._away:
                return []  # an agent host cannot, an end that is away does not hear of it
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
        """One more attempt, unless they are used up or an end is not there."""
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
        self.epoch = self.epoch or self._next_epoch()  # one that a wish to try again can name
        self._set(PairState.FAILED, None)
        message = self._reasons.get(code) or _MESSAGES.get(code, code)
        return Failed(self.epoch, code, message, retryable=code != "no_candidates")

    def _ready(self, now: float) -> list[Action]:
        self._attempt, self._first = 0, now
        self._unheard.clear()
        self._set(PairState.READY, None)
        return [Ready(self.epoch)]

    def _claim(self, sender: str, epoch: int, state: str) -> list[Action]:
        """What an end reports after a restart of the server."""
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
                f"Epoch {epoch} is not the current one of this connection.",
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
