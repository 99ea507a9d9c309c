"""The further methods of a store that several servers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

from voicebot.store.base import LobbyRecord, SeatRecord, SessionRecord, Store

ANSWER_SECONDS = 5.0
"""Seconds within which a call is answered or fails. The wait of `read` is added."""


@dataclass(frozen=True)
class Lease:
    """The holder of a lease, and its fencing token."""

    owner: str
    token: int


class SharedStore(Store, Protocol):
    """A store of several servers. Each writes only its own changes, and finds the others through it."""

    async def find_session(self, handle: str) -> SessionRecord | None:
        """Return the session with this public name, or None."""

    async def put_secrets(self, record: SessionRecord) -> None:
        """Put a session as `put_session` does, but keep the stored seat."""

    async def put_seat(
        self,
        handle: str,
        seat: SeatRecord | None,
        *,
        freed: SeatRecord | None = None,
        token: int | None = None,
    ) -> None:
        """Give a session a seat; with None, free its seat if that is `freed`.

        `token` is that of the lease on the lobby of the seat. Unknown sessions are ignored.

        Raises:
            LeaseLost: there is a newer lease on the lobby.
        """

    async def holder(self, name: str) -> Lease | None:
        """Return the lease of this name, or None."""

    async def orphans(self) -> list[LobbyRecord]:
        """Return the lobbies without a lease."""

    # ---- streams of messages between servers
    async def append(self, stream: str, data: bytes) -> str:
        """Append an entry, and return its id. A stream keeps its newest 1,000 entries."""

    async def read(self, stream: str, after: str = "", *, wait: float = 0.0) -> list[tuple[str, bytes]]:
        """Return the entries after the id `after` ("": all that are kept), oldest first.

        If there are none, wait up to `wait` seconds for one.
        """

    async def drop(self, stream: str) -> None:
        """Delete a stream. A stream that does not exist is ignored."""

    async def trim(self, stream: str, upto: str) -> None:
        """Delete the entries of a stream up to this id, included."""


def shared(store: Store) -> SharedStore | None:
    """Return the store as a SharedStore if several servers may use it, else None."""
    return cast(SharedStore, store) if store.shared else None
