"""The Protocol of a store and its records: sessions, lobbies, bans, reports; no SDP, candidates or audio.

All times are in Unix seconds. Every method raises StoreError if the store cannot be used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from voicebot.errors import StoreError


class LeaseLost(StoreError):
    """Another server has taken over this lobby, so nothing was written."""

    code = "lease_lost"

    def __init__(self, lobby_id: str) -> None:
        super().__init__(f"Another server has taken over lobby {lobby_id}.")


@dataclass(frozen=True)
class SeatRecord:
    """A session's place in a lobby, as last written."""

    lobby_id: str
    participant_id: str
    name: str
    role: str = "guest"
    muted: bool = False
    camera: bool = False


@dataclass(frozen=True)
class SessionRecord:
    """A session. Only a hash of the cookie's secret is stored."""

    key: str
    """SHA-256 of the cookie's secret, in hexadecimal."""
    handle: str
    """The public name. Each has one record."""
    expires: float
    rotated: float = 0.0
    """When this secret was issued."""
    previous_key: str = ""
    """The hash of the previous secret, valid until `previous_until` for requests that were under way."""
    previous_until: float = 0.0
    seat: SeatRecord | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The hashes of the valid secrets: one, or two after a rotation."""
        return (self.key, self.previous_key) if self.previous_key else (self.key,)


@dataclass(frozen=True)
class AgentRecord:
    """An agent of a lobby, with everything that brings the same agent back."""

    id: str
    persona: Mapping[str, Any]
    """The result of `Persona.as_dict`."""
    muted: bool = False
    llm: str = ""
    tts: str = ""
    """Models of its own; empty: those of the lobby."""
    tools: tuple[str, ...] = ()
    """The names of its tools. Their code is not stored."""


@dataclass(frozen=True)
class LobbyRecord:
    """A lobby with its settings, agents and the handles of the people it knows."""

    id: str
    name: str
    version: int = 0
    """Grows with each change. A version below the stored one is not written."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `signaling.messages.LobbySettings`."""
    hosts: tuple[str, ...] = ()
    """Session handles of the owners."""
    admitted: tuple[str, ...] = ()
    """Session handles of people who need not knock again."""
    agents: tuple[AgentRecord, ...] = ()
    closes_when_empty: bool = False
    created: float = 0.0
    saved: float = 0.0
    """When this was written. A server writes the lobbies that it serves every few seconds."""


@dataclass(frozen=True)
class BanRecord:
    """A session that may not enter a lobby."""

    lobby_id: str
    handle: str
    """The banned session."""
    name: str
    by: str
    """Session handle of the host; empty: whoever runs the server."""
    reason: str
    at: float


@dataclass(frozen=True)
class ReportRecord:
    """A report about a participant or a lobby, for the operator."""

    id: str
    lobby_id: str
    conversation_id: str
    by: str
    """Session handle of the reporter."""
    about: str
    """Session handle of the reported person, or id of the reported agent; empty: the lobby."""
    name: str
    """The name of that person or agent."""
    reason: str
    at: float


class Store(Protocol):
    """A store. `voicebot.store.open_store(settings)` opens the one in the settings.

    A record that cannot be read is left out with a warning, and the others are still returned.
    """

    durable: bool
    """Whether the content survives a restart of the server."""
    shared: bool
    """Whether several servers may use it at once. Then it is a `voicebot.store.shared.SharedStore`."""
    owner: str
    """This server's name in its leases, the same after a restart, so that it need not wait for its own."""

    # ---- sessions
    async def put_session(self, record: SessionRecord) -> None:
        """Insert a session, or replace the one with the same handle."""

    async def get_session(self, key: str) -> SessionRecord | None:
        """Return the session with this hash of its current or previous secret, or None."""

    async def delete_session(self, handle: str) -> None:
        """Delete a session, if it exists."""

    async def seats(self, lobby_id: str) -> list[SessionRecord]:
        """Return the sessions with a seat in this lobby."""

    async def sweep(self, now: float) -> int:
        """Delete the sessions that expired before `now`, and return their number.

        Until then, expired sessions can be read.
        """

    # ---- lobbies; `token` is that of the caller's lease on the lobby, None without leases
    async def put_lobby(self, record: LobbyRecord, token: int | None = None) -> None:
        """Insert or replace a lobby. Raises LeaseLost if there is a newer lease on it than `token`."""

    async def get_lobby(self, id: str) -> LobbyRecord | None:
        """Return the lobby with this id, or None."""

    async def delete_lobby(self, id: str, token: int | None = None) -> None:
        """Delete a lobby and its bans, but not its reports. Raises LeaseLost as `put_lobby` does."""

    async def lobbies(self) -> list[LobbyRecord]:
        """Return all lobbies, in the order of their creation."""

    # ---- moderation
    async def put_ban(self, record: BanRecord) -> None:
        """Insert a ban, or replace the one of the same session in the same lobby."""

    async def delete_ban(self, lobby_id: str, handle: str) -> None:
        """Delete a ban, if it exists."""

    async def bans(self, lobby_id: str) -> list[BanRecord]:
        """Return the bans of a lobby, oldest first."""

    async def put_report(self, record: ReportRecord) -> None:
        """Insert a report, or replace the one with the same id."""

    async def reports(self, lobby_id: str | None = None) -> list[ReportRecord]:
        """Return the reports of a lobby, or of all (None), oldest first."""

    # ---- leases: which of several servers serves a lobby
    async def acquire(self, name: str, owner: str, seconds: float) -> int | None:
        """Lease `name` to `owner`, and return a fencing token larger than all before.

        Returns None while another owner holds the lease. The lease of a lobby has the lobby's id as its name.
        """

    async def renew(self, name: str, owner: str, token: int, seconds: float) -> bool:
        """Extend the lease to `seconds` from now. Returns False if it has expired or has another owner."""

    async def release(self, name: str, owner: str, token: int) -> None:
        """Give the lease back. A lease that is not held is ignored."""

    async def aclose(self) -> None:
        """Finish all writes and free everything. Safe to call twice."""

    def abandon(self) -> None:
        """Free everything. For an event loop that will not run again."""
