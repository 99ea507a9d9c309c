"""What a store can do besides where several servers share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

from voicebot.store.base import LobbyRecord, SeatRecord, SessionRecord, Store

ANSWER_SECONDS = 5.0
"""Within this a call is answered or fails; `read` waits besides."""


@dataclass(frozen=True)
class Lease:
    """Who holds a lease, under which fencing token."""

    owner: str
    token: int


class SharedStore(Store, Protocol):
    """A store of several servers: each writes only what it has changed, and finds the others by it."""

    async def find_session(self, handle: str) -> SessionRecord | None:
        """By its public name."""
        ...

    async def put_secrets(self, record: SessionRecord) -> None:
        """As `put_session`, but the seat that is kept stays as it is."""
        ...

    async def put_seat(
        self,
        handle: str,
        seat: SeatRecord | None,
        *,
        freed: SeatRecord | None = None,
        token: int | None = None,
    ) -> None:
        """Give a session a seat; or with None free the one of `freed.participant_id`, no other.

        `token` is that of the lease on the seat's lobby. A session that is not kept gets none.
        Raises LeaseLost.
        """
        ...

    async def holder(self, name: str) -> Lease | None:
        """Who holds this lease now."""
        ...

    async def orphans(self) -> list[LobbyRecord]:
        """Lobbies whose lease nobody holds."""
        ...

    # ---- messages between servers; they live no longer than the servers do
    async def append(self, stream: str, data: bytes) -> str:
        """Add an entry; returns its id. Streams keep their newest 1,000 entries."""
        ...

    async def read(self, stream: str, after: str = "", *, wait: float = 0.0) -> list[tuple[str, bytes]]:
        """Entries after the one of id `after` (empty: all that are kept), oldest first.

        With none there it waits up to `wait` seconds for one.
        """
        ...

    async def drop(self, stream: str) -> None:
        """Forget a stream; one that is not there is no error."""
        ...

    async def trim(self, stream: str, upto: str) -> None:
        """Forget the entries of a stream up to the one of this id, that one too."""
        ...


def shared(store: Store) -> SharedStore | None:
    """The same store, if other servers may use it at the same time."""
    return cast(SharedStore, store) if store.shared else None
