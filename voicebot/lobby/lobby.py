"""A lobby: who is in it, and everyone who wants to know when that changes. Pure, no I/O."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from voicebot.errors import SignalingError
from voicebot.lobby.capacity import CameraLimit, Capacity, LobbyFullError
from voicebot.lobby.names import clean_name, distinct_name
from voicebot.lobby.roles import successor
from voicebot.signaling.messages import LobbyInfo, LobbySettings, ParticipantInfo

__all__ = [
    "CameraLimit",
    "Capacity",
    "Changed",
    "Joined",
    "LeaveReason",
    "Left",
    "Lobby",
    "LobbyEvent",
    "LobbyFullError",
    "Updated",
]

logger = logging.getLogger(__name__)

LeaveReason = Literal["left", "lost", "kicked", "banned", "removed"]
RESTORED = 1_000_000
"""A restored lobby counts on from so far above its last written version: browsers may have seen more."""


@dataclass(frozen=True)
class Joined:
    info: ParticipantInfo


@dataclass(frozen=True)
class Updated:
    info: ParticipantInfo


@dataclass(frozen=True)
class Left:
    id: str
    reason: LeaveReason


@dataclass(frozen=True)
class Changed:
    """The lobby's name or settings."""


LobbyEvent = Joined | Updated | Left | Changed


class Lobby:
    """The participants of one lobby, people and agents alike, in the order they came.

    `version` grows with every change, so that a receiver can tell a stale state. While a person
    is here there is a host: the first one is, and when the last host leaves the one who has been
    here longest.
    """

    def __init__(
        self,
        id: str,
        name: str,
        *,
        capacity: Capacity | None = None,
        settings: LobbySettings | None = None,
        version: int = 0,
    ) -> None:
        self.id = id
        self.name = clean_name(name)
        self.capacity = capacity or Capacity()
        self.settings = settings or LobbySettings()
        self.version = version
        self._participants: dict[str, ParticipantInfo] = {}
        self._observers: list[Callable[[LobbyEvent], None]] = []

    @property
    def participants(self) -> Mapping[str, ParticipantInfo]:
        """By participant id; a live, read-only view."""
        return MappingProxyType(self._participants)

    @property
    def humans(self) -> list[ParticipantInfo]:
        return [p for p in self._participants.values() if p.kind == "human"]

    @property
    def agents(self) -> list[ParticipantInfo]:
        return [p for p in self._participants.values() if p.kind == "agent"]

    @property
    def hosts(self) -> list[ParticipantInfo]:
        """The people who may moderate; none only while nobody is here."""
        return [p for p in self.humans if p.role == "host"]

    @property
    def people_limit(self) -> int:
        """How many people fit: what its hosts have set, and what the server allows."""
        return min(self.capacity.humans, self.settings.people)

    @property
    def host_peer(self) -> str:
        """The peer that carries all agents of this lobby."""
        return f"host-{self.id}"

    def info(self) -> LobbyInfo:
        """The lobby as browsers see it; `host_peer` is null while it has no agent."""
        peer = self.host_peer if self.agents else None
        return LobbyInfo(id=self.id, name=self.name, settings=self.settings, host_peer=peer)

    def join(self, info: ParticipantInfo) -> ParticipantInfo:
        """Add a participant under its cleaned name; a person who finds no host is it.

        A person whose name looks like that of somebody who is here gets a number.

        Raises:
            LobbyFullError: no room for one more of this kind.
            CameraLimit: there is room, but not for one more camera.
            SignalingError: `already_joined`, or `bad_name`.
        """
        if info.id in self._participants:
            raise SignalingError(f"{info.id} is in this lobby already.", code="already_joined")
        self._check_room(info)
        role = "host" if info.kind == "human" and (info.role == "host" or not self.hosts) else "guest"
        name = clean_name(info.name)
        if info.kind == "human":
            name = distinct_name(name, (one.name for one in self._participants.values()))
        info = info.model_copy(update={"name": name, "role": role})
        self._participants[info.id] = info
        self._changed(Joined(info))
        return info

    def leave(self, id: str, reason: LeaveReason = "left") -> None:
        """Remove a participant; one who is not here is no error. After the last host comes another."""
        if self._participants.pop(id, None) is not None:
            self._changed(Left(id, reason))
            heir = successor(self._participants.values())
            if heir is not None:
                self.make_host(heir.id)

    def make_host(self, id: str, *, owner: bool = False) -> ParticipantInfo:
        """One more host, for the moment or as an owner; nobody becomes less than they are.

        Raises:
            SignalingError: `unknown_participant`, when no such person is here.
        """
        old = self._participants.get(id)
        if old is None or old.kind != "human":
            raise SignalingError(
                f"{id} is no person in this lobby.",
                hint="lobby_state lists those who are here.",
                code="unknown_participant",
            )
        info = old.model_copy(update={"role": "host", "owner": owner or old.owner})
        if info != old:
            self._participants[id] = info
            self._changed(Updated(info))
        return info

    def change(self, **changes: Any) -> bool:
        """Change the name or fields of the settings; False when they were so already.

        Fewer people than are here may be set: nobody has to go, and nobody new comes in.

        Raises:
            SignalingError: `bad_name`, or `bad_message` for what LobbySettings refuses.
        """
        name = clean_name(changes.pop("name", self.name))
        try:
            settings = LobbySettings.model_validate(self.settings.model_dump() | changes)
        except ValueError as error:
            raise SignalingError(f"A lobby cannot be set so: {error}") from None
        if (name, settings) == (self.name, self.settings):
            return False
        self.name, self.settings = name, settings
        self._changed(Changed())
        return True

    def update(self, id: str, /, **changes: Any) -> ParticipantInfo:
        """Change fields of a participant; equal values change nothing and are not announced.

        Raises:
            SignalingError: `not_joined`, `bad_name`, or `bad_message` for what ParticipantInfo refuses.
            CameraLimit: one more camera is too many.
        """
        old = self._participants.get(id)
        if old is None:
            raise SignalingError(f"{id} is not in this lobby.", code="not_joined")
        if "name" in changes:
            changes["name"] = clean_name(changes["name"])
            if old.kind == "human" and changes["name"] != old.name:
                others = (one.name for one in self._participants.values() if one.id != id)
                changes["name"] = distinct_name(changes["name"], others)
        if {"id", "kind", "role", "owner"} & changes.keys():
            raise SignalingError("A participant's id and kind never change, and its role not like this.")
        try:
            info = ParticipantInfo.model_validate(old.model_dump() | changes)
        except ValueError as error:
            raise SignalingError(f"A participant cannot be changed so: {error}") from None
        if info == old:
            return old
        if info.camera and not old.camera:
            self._check_cameras()
        self._participants[id] = info
        self._changed(Updated(info))
        return info

    def subscribe(self, observer: Callable[[LobbyEvent], None]) -> Callable[[], None]:
        """Call `observer` after every change, in order; returns what ends that."""
        self._observers.append(observer)

        def unsubscribe() -> None:
            if observer in self._observers:
                self._observers.remove(observer)

        return unsubscribe

    def check_people(self, *, owner: bool = False) -> None:
        """Raises LobbyFull when no more people fit. Only the server's own limit keeps an owner out: nobody
        else can set one that does."""
        limit = self.capacity.humans if owner else self.people_limit
        if len(self.humans) >= limit:
            raise LobbyFullError(limit, "people")

    def _check_room(self, info: ParticipantInfo) -> None:
        if info.kind == "agent":
            if len(self.agents) >= self.capacity.agents:
                raise LobbyFullError(self.capacity.agents, "agents")
            return
        self.check_people(owner=info.owner)
        if info.camera:
            self._check_cameras()

    def _check_cameras(self) -> None:
        if sum(p.camera for p in self.humans) >= self.capacity.video:
            raise CameraLimit(self.capacity.video)

    def _changed(self, event: LobbyEvent) -> None:
        self.version += 1
        for observer in list(self._observers):
            try:
                observer(event)
            except Exception:  # an observer never breaks the lobby
                logger.exception("An observer of lobby %s failed on %r", self.id, event)
