"""The state of a session, without I/O: its current socket, and the messages sent and received.

Without a socket, messages are still numbered and kept, so that `replay` can deliver them after a reconnect.
A new socket is not `live` until the client resumes or begins anew. Until then, no numbered message is sent.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, NamedTuple

from voicebot.signaling.written import Written

RING_MESSAGES = 256
RING_SECONDS = 60.0
MAX_SEQ = 2**52
"""The largest `seq` that a client can make the server continue from. JavaScript is exact up to 2**53."""
KNOWN_IDS = 512
KNOWN_SECONDS = 300.0
SESSION_SECONDS = 12 * 3600.0


class Sent(NamedTuple):
    """A kept message and its `seq`."""

    seq: int
    message: Written


class Session:
    """One session. Times are clock seconds from the caller.

    `handle` is its public name, never the cookie's secret. `fence` is the number of its newest socket; only
    that one may send and close. Numbering starts after `seq`, which must be larger than every number from
    an earlier process, so that an old `last_seq` never matches a new message.
    """

    def __init__(self, handle: str, now: float, lifetime: float = SESSION_SECONDS, *, seq: int = 0) -> None:
        self.handle = handle
        self.expires = now + lifetime
        self._expired = False
        self.fence = 0
        self.attached = False
        self.live = False
        self.seq = seq
        # the garbage collector skips plain tuples of text and numbers; as objects, the rings of many sessions
        # would make it stop the server for tenths of a second
        self._ring: deque[tuple[int, float, tuple[Any, ...]]] = deque(maxlen=RING_MESSAGES)
        self._known: OrderedDict[str, float] = OrderedDict()

    def expired(self, now: float) -> bool:
        """Whether the session has expired, which is final."""
        self._expired = self._expired or now >= self.expires
        return self._expired

    def expire(self) -> None:
        """End the session now."""
        self._expired = True

    def attach(self) -> int:
        """Take a new socket and return its fence. Older fences are void from now on."""
        self.fence += 1
        self.attached, self.live = True, False
        return self.fence

    def holds(self, fence: int) -> bool:
        """Whether the socket with this fence is the current one."""
        return self.attached and fence == self.fence

    def detach(self, fence: int) -> bool:
        """Handle a closed socket. Returns whether it was the current one."""
        if not self.holds(fence):
            return False
        self.attached = self.live = False
        return True

    def go_live(self) -> None:
        """Send numbered messages to this socket from now on, because the client begins anew."""
        self.live = self.attached

    def number(self, message: Written, now: float) -> int:
        """Number a message and keep it for a replay."""
        self.seq += 1
        self._ring.append((self.seq, now, tuple(message)))
        self.forget_old(now)
        return self.seq

    def replay(self, last_seq: int, now: float) -> list[Sent] | None:
        """Go live and return the messages after `last_seq`; None if some are no longer kept.

        A `last_seq` above every number comes from an earlier process. Numbering then continues above it,
        because a client ignores lower numbers.
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
        """Continue numbering above `seq`, which an earlier process or another server has reached."""
        if seq > self.seq:
            self.seq = max(self.seq, min(seq, MAX_SEQ))
            self._ring.clear()

    def acknowledge(self, seq: int) -> None:
        """Forget the messages up to `seq`, which the client has received."""
        while self._ring and self._ring[0][0] <= min(seq, self.seq):
            self._ring.popleft()

    def is_new(self, id: str | None, now: float) -> bool:
        """Remember a message id. Returns False if it is one of the last 512, and at most 5 minutes old."""
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
        """Forget the messages that are too old for a replay."""
        while self._ring and self._ring[0][1] < now - RING_SECONDS:
            self._ring.popleft()
