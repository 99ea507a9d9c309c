"""A browser's session without any I/O: which socket counts, what was sent, what was received.

    established --expire--> expired

While no socket is attached messages are still stamped and kept, so that `replay` can
deliver them after a reconnect. A newly attached socket is not `live` until the browser
has said whether it resumes or begins anew; until then nothing stamped is sent to it.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from enum import Enum
from typing import Any, NamedTuple

from voicebot.signaling.written import Written

logger = logging.getLogger(__name__)

RING_MESSAGES = 256
RING_SECONDS = 60.0
MAX_SEQ = 2**52
"""No browser's claim takes numbering beyond; up to twice of it JavaScript counts exactly."""
KNOWN_IDS = 512
KNOWN_SECONDS = 300.0
SESSION_SECONDS = 12 * 3600.0


class SessionState(Enum):
    ESTABLISHED = "established"
    EXPIRED = "expired"


class Sent(NamedTuple):
    """A message that was kept, with its seq."""

    seq: int
    message: Written


class Session:
    """The state of one session; times are clock seconds passed in by the caller.

    `handle` is the public name of the session, never the cookie's secret. `fence` counts
    the sockets there were; only the newest one's commands and closing count. `seq` is where
    numbering starts: of a session that outlives its process it must be larger than any number
    of the life before, so that an old `last_seq` is never taken for one of this life.
    """

    def __init__(self, handle: str, now: float, lifetime: float = SESSION_SECONDS, *, seq: int = 0) -> None:
        self.handle = handle
        self.expires = now + lifetime
        self.state = SessionState.ESTABLISHED
        self.fence = 0
        self.attached = False
        self.live = False
        self.seq = seq
        # plain tuples of text and numbers, because the garbage collector need not look at those again:
        # as objects the rings of many sessions would make it stop the server for tenths of a second
        self._ring: deque[tuple[int, float, tuple[Any, ...]]] = deque(maxlen=RING_MESSAGES)
        self._known: OrderedDict[str, float] = OrderedDict()

    def expired(self, now: float) -> bool:
        """True from the moment of expiry on; the state never goes back."""
        if self.state is SessionState.ESTABLISHED and now >= self.expires:
            self._set(SessionState.EXPIRED)
        return self.state is SessionState.EXPIRED

    def expire(self) -> None:
        """End the session before its time."""
        if self.state is SessionState.ESTABLISHED:
            self._set(SessionState.EXPIRED)

    # ------------------------------------------------------------ sockets

    def attach(self) -> int:
        """A new socket takes over; returns its fence. Every older fence is void from now on."""
        self.fence += 1
        self.attached, self.live = True, False
        return self.fence

    def holds(self, fence: int) -> bool:
        """Whether the socket with this fence still speaks for the session."""
        return self.attached and fence == self.fence

    def detach(self, fence: int) -> bool:
        """A socket closed; True when it was the one that counts."""
        if not self.holds(fence):
            return False
        self.attached = self.live = False
        return True

    def go_live(self) -> None:
        """The browser begins anew on this socket: from now on it gets what is stamped."""
        self.live = self.attached

    # ------------------------------------------------------------ sending

    def number(self, message: Written, now: float) -> int:
        """The seq of this message, which is kept for a replay."""
        self.seq += 1
        self._ring.append((self.seq, now, tuple(message)))
        self.forget_old(now)
        return self.seq

    def replay(self, last_seq: int, now: float) -> list[Sent] | None:
        """What was stamped after `last_seq`, and go live; None when that is not all kept.

        A `last_seq` beyond everything stamped is of a former life that was further; numbering
        goes on above it, for a browser ignores what it takes for repeated.
        """
        self.go_live()
        self.forget_old(now)
        if last_seq == self.seq:
            return []
        if last_seq > self.seq:
            self.advance(last_seq)
            return None
        if not self._ring or self._ring[0][0] > last_seq + 1:
            return None
        return [Sent(seq, Written(*message)) for seq, _, message in self._ring if seq > last_seq]

    def advance(self, seq: int) -> None:
        """A former life, or another server, has numbered up to `seq`: go on above it."""
        if seq > self.seq:
            self.seq = max(self.seq, min(seq, MAX_SEQ))
            self._ring.clear()

    def acknowledge(self, seq: int) -> None:
        """The browser has everything up to `seq`."""
        while self._ring and self._ring[0][0] <= min(seq, self.seq):
            self._ring.popleft()

    # ------------------------------------------------------------ receiving

    def is_new(self, id: str | None, now: float) -> bool:
        """False for a message id seen before (of the last 512, within 5 minutes)."""
        if id is None:
            return True
        while self._known and next(iter(self._known.values())) < now - KNOWN_SECONDS:
            self._known.popitem(last=False)
        if id in self._known:
            return False
        self._known[id] = now
        if len(self._known) > KNOWN_IDS:
            self._known.popitem(last=False)
        return True

    def forget_old(self, now: float) -> None:
        """Drop from the ring what is too old for a replay."""
        while self._ring and self._ring[0][1] < now - RING_SECONDS:
            self._ring.popleft()

    def _set(self, state: SessionState) -> None:
        logger.debug("session %s: %s -> %s", self.handle, self.state.value, state.value)
        self.state = state
