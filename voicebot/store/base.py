"""What must outlive a process: sessions, lobbies, bans and reports. Never SDP, candidates or audio.

All times are Unix seconds. Every method raises StoreError when the store cannot be used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from voicebot.errors import StoreError


class LeaseLost(StoreError):
    """Another server has taken this lobby over meanwhile; what was to be written was not."""

    code = "lease_lost"


@dataclass(frozen=True)
class SeatRecord:
    """A session's place in a lobby, as it looked when it was last written."""

    lobby_id: str
    participant_id: str
    name: str
    role: str = "guest"
    muted: bool = False
    camera: bool = False


@dataclass(frozen=True)
class SessionRecord:
    """A session as it is kept; the cookie's secret is only known by its hash."""

    key: str
    """SHA-256 of the cookie's secret, hex."""
    handle: str
    """The public name; one record for each."""
    expires: float
    rotated: float = 0.0
    """When this secret was given out."""
    previous_key: str = ""
    """The secret before, good until `previous_until` for requests that were on their way."""
    previous_until: float = 0.0
    seat: SeatRecord | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The hashes of the secrets that were given out for it: one, or two after a rotation."""
        return (self.key, self.previous_key) if self.previous_key else (self.key,)


@dataclass(frozen=True)
class AgentRecord:
    """An agent of a lobby: enough to let the same one come back."""

    id: str
    persona: Mapping[str, Any]
    """As `Persona.as_dict` gives it."""
    muted: bool = False
    llm: str = ""
    tts: str = ""
    """Model specs of its own; empty: those of the lobby."""
    tools: tuple[str, ...] = ()
    """Names of its tools: the code that gave them is kept nowhere."""


@dataclass(frozen=True)
class LobbyRecord:
    id: str
    name: str
    version: int = 0
    """Grows with each change; a smaller one than is kept is not written."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `signaling.messages.LobbySettings`."""
    hosts: tuple[str, ...] = ()
    """Session handles of those who made it or were made host."""
    admitted: tuple[str, ...] = ()
    """Session handles of those who need not knock again."""
    agents: tuple[AgentRecord, ...] = ()
    closes_when_empty: bool = False
    created: float = 0.0
    saved: float = 0.0
    """When this was written: a server writes each lobby every few seconds while it serves it."""


@dataclass(frozen=True)
class BanRecord:
    lobby_id: str
    handle: str
    """The banned session."""
    name: str
    by: str
    """Session handle of the host; empty: who runs the server."""
    reason: str
    at: float


@dataclass(frozen=True)
class ReportRecord:
    id: str
    lobby_id: str
    conversation_id: str
    by: str
    """Session handle of who reports."""
    about: str
    """Session handle of the person or id of the agent it is about; empty: the lobby."""
    name: str
    """How that one was called."""
    reason: str
    at: float


class Store(Protocol):
    """Where they are kept; `voicebot.store.open_store(settings)` opens the one that is set.

    A record that cannot be read any more is left out with a warning, never the others with it.
    """

    durable: bool
    """Whether what is kept is there again when the server is started again."""
    shared: bool
    """Whether other servers may use it at the same time: then it is a `voicebot.store.shared.SharedStore`."""
    owner: str
    """This server's name in its leases; the same after a restart, so that it need not wait for its own."""

    # ---- sessions
    async def put_session(self, record: SessionRecord) -> None:
        """Insert, or replace the record of the same handle with all its keys."""
        ...

    async def get_session(self, key: str) -> SessionRecord | None:
        """By the hash of the present secret or of the one before."""
        ...

    async def delete_session(self, handle: str) -> None: ...
    async def seats(self, lobby_id: str) -> list[SessionRecord]:
        """Sessions that have a seat in this lobby."""
        ...

    async def sweep(self, now: float) -> int:
        """Delete sessions that expired before `now`; returns how many. Until then they can be read."""
        ...

    # ---- lobbies; `token` is that of the lease one holds on the lobby, None where there are no leases
    async def put_lobby(self, record: LobbyRecord, token: int | None = None) -> None:
        """Raises LeaseLost when a newer lease than `token` was given on this lobby."""
        ...

    async def get_lobby(self, id: str) -> LobbyRecord | None: ...
    async def delete_lobby(self, id: str, token: int | None = None) -> None:
        """With its bans; its reports stay. Raises LeaseLost."""
        ...

    async def lobbies(self) -> list[LobbyRecord]:
        """All of them, in the order they were first put."""
        ...

    # ---- moderation
    async def put_ban(self, record: BanRecord) -> None: ...
    async def delete_ban(self, lobby_id: str, handle: str) -> None: ...
    async def bans(self, lobby_id: str) -> list[BanRecord]:
        """Oldest first."""
        ...

    async def put_report(self, record: ReportRecord) -> None:
        """Insert, or replace the one of the same id."""
        ...

    async def reports(self, lobby_id: str | None = None) -> list[ReportRecord]:
        """Oldest first; of all lobbies when none is named."""
        ...

    # ---- who serves a lobby, where several servers share a store
    async def acquire(self, name: str, owner: str, seconds: float) -> int | None:
        """Lease `name` to `owner`: a fencing token larger than any before, None while another holds it.

        The lease of a lobby has the lobby's id for a name.
        """
        ...

    async def renew(self, name: str, owner: str, token: int, seconds: float) -> bool:
        """Keep the lease for so long from now; False when it is another's or has run out."""
        ...

    async def release(self, name: str, owner: str, token: int) -> None:
        """Give it back; one that is not held is no error."""
        ...

    async def aclose(self) -> None:
        """Write what waits and free everything. Safe to call twice."""
        ...

    def abandon(self) -> None:
        """The same where the loop will not run again."""
        ...
