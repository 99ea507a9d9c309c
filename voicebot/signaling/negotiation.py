"""How two peers come to a connection, without any I/O: epochs, states, deadlines, ladder.

    offering -> answering -> connecting -> ready
                                 ^           |
                                 '- lost <---'
    any of them -> (next attempt: offering, with a larger epoch) | failed | closed

The pair is two people, or a person and the lobby's agent host; the machine is the same.
Inputs carry the time; what is to be done comes back as actions. `due` says when `tick`
must be called next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from voicebot.errors import SignalingError

logger = logging.getLogger(__name__)

Rung = Literal["all", "relay"]
MAX_CANDIDATES = 64


class PairState(Enum):
    OFFERING = "offering"
    ANSWERING = "answering"
    CONNECTING = "connecting"
    READY = "ready"
    LOST = "lost"
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
    disconnected: float = 4.0
    """How long a connection may be `disconnected` before it counts as failed."""
    attempts: int = 3
    window: float = 45.0
    """No new attempt later than this after the first one."""


@dataclass(frozen=True)
class Begin:
    """Tell both ends to begin, with this epoch."""

    epoch: int
    relay_only: bool


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


Action = Begin | Ready | Failed

_WAITS = {
    PairState.OFFERING: "offer",
    PairState.ANSWERING: "answer",
    PairState.CONNECTING: "connect",
    PairState.LOST: "disconnected",
}
_MESSAGES = {
    "no_candidates": "No network address could be found for the connection.",
    "timeout": "The connection was not made in time.",
    "ice_failed": "No network path to the other side works.",
}


class Negotiation:
    """One pair of peers through all its epochs.

    `rungs` is the ladder: the first attempt uses the first, later ones the next, the last
    one again and again. `next_epoch` gives numbers that only grow.
    """

    def __init__(
        self,
        ends: tuple[str, str],
        next_epoch: Callable[[], int],
        *,
        rungs: tuple[Rung, ...] = ("all",),
        timeouts: Timeouts | None = None,
    ) -> None:
        self.ends = ends
        self.epoch = 0
        self.state = PairState.CLOSED
        self.due: float | None = None
        self.rungs = rungs
        self.timeouts = timeouts or Timeouts()
        self._next_epoch = next_epoch
        self._attempt = 0
        self._first = 0.0
        self._reasons: dict[str, str] = {}
        self._connected: set[str] = set()
        self._candidates = dict.fromkeys(ends, 0)

    def begin(self, now: float) -> list[Action]:
        """The first attempt, or a fresh start after anything."""
        self._attempt, self._first = 0, now
        self._reasons.clear()
        return [self._try(now)]

    def close(self) -> None:
        """One end has gone; nothing happens any more until `begin`."""
        self._set(PairState.CLOSED, None)

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
        if epoch != self.epoch or sender not in self.ends or self._over:
            return []
        if state == "connected":
            self._connected.add(sender)
            if len(self._connected) == len(self.ends) and self.state is not PairState.READY:
                self._attempt, self._first = 0, now
                self._set(PairState.READY, None)
                return [Ready(self.epoch)]
        elif state == "disconnected" and self.state is PairState.READY:
            self._connected.discard(sender)
            self._set(PairState.LOST, now)
        elif state in {"failed", "closed"}:
            return self.fail(epoch, code, now, reason)
        return []

    def fail(self, epoch: int, code: str, now: float, reason: str = "") -> list[Action]:
        """This epoch is lost: the next attempt, or the end of them.

        `reason` is for people; the newest of the code that remains in the end is told.
        """
        if epoch != self.epoch or self._over:
            return []
        if self.state in {PairState.READY, PairState.LOST}:
            self._attempt, self._first = 0, now  # it worked before: a new count of attempts
            self._reasons.clear()
        if reason:
            self._reasons[code] = reason
        hopeless = code == "no_candidates" or self._attempt >= self.timeouts.attempts
        if hopeless or now - self._first >= self.timeouts.window:
            self._set(PairState.FAILED, None)
            message = self._reasons.get(code) or _MESSAGES.get(code, code)
            return [Failed(self.epoch, code, message, retryable=code != "no_candidates")]
        return [self._try(now)]

    def tick(self, now: float) -> list[Action]:
        """Time has passed; what a missed deadline leads to."""
        if self.due is None or now < self.due:
            return []
        return self.fail(self.epoch, "ice_failed" if self.state is PairState.LOST else "timeout", now)

    # ------------------------------------------------------------ inside

    @property
    def _over(self) -> bool:
        return self.state in {PairState.FAILED, PairState.CLOSED}

    def _try(self, now: float) -> Begin:
        rung = self.rungs[min(self._attempt, len(self.rungs) - 1)]
        self._attempt += 1
        self.epoch = self._next_epoch()
        self._connected.clear()
        self._candidates = dict.fromkeys(self.ends, 0)
        self._set(PairState.OFFERING, now)
        return Begin(self.epoch, relay_only=rung == "relay")

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
        wait = _WAITS.get(state)
        self.due = None if wait is None or since is None else since + getattr(self.timeouts, wait)
