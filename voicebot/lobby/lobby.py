"""A lobby: who is in it, and everyone who wants to know when that changes. Pure, no I/O."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from voicebot.errors import SignalingError
from voicebot.lobby.names import clean_name
from voicebot.signaling.messages import LobbyInfo, ParticipantInfo

logger = logging.getLogger(__name__)

LeaveReason = Literal["left", "lost", "kicked", "removed"]


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


LobbyEvent = Joined | Updated | Left


@dataclass(frozen=True)
class Capacity:
    """How many fit. Humans send to each other directly, so video costs more than audio."""

    humans: int = 10
    video: int = 6
    agents: int = 8


class LobbyFull(SignalingError):
    """No room for one more; `limit` says how many of that kind fit."""

    code = "lobby_full"
    retryable = True

    def __init__(self, limit: int, what: str) -> None:
        super().__init__(
            f"This lobby is full: {limit} {what} are in it.", hint="Try again when someone has left."
        )
        self.limit = limit


class CameraLimit(SignalingError):
    """No more cameras fit; whoever it is can be here without one."""

    code = "camera_limit"
    retryable = True

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"No more than {limit} cameras fit into this lobby.",
            hint="Your camera stays off; try again when someone has switched theirs off.",
        )


class Lobby:
    """The participants of one lobby, people and agents alike, in the order they came.

    `version` grows with every change, so that a receiver can tell a stale state.
    """

    def __init__(self, id: str, name: str, *, capacity: Capacity | None = None) -> None:
        self.id = id
        self.name = clean_name(name)
        self.capacity = capacity or Capacity()
        self.version = 0
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
    def host_peer(self) -> str:
        """The peer that carries all agents of this lobby."""
        return f"host-{self.id}"

    def info(self) -> LobbyInfo:
        """The lobby as browsers see it; `host_peer` is null while it has no agent."""
        return LobbyInfo(id=self.id, name=self.name, host_peer=self.host_peer if self.agents else None)

    def join(self, info: ParticipantInfo) -> ParticipantInfo:
        """Add a participant under its cleaned name.

        Raises:
            LobbyFull: no room for one more of this kind.
            CameraLimit: there is room, but not for one more camera.
            SignalingError: `already_joined`, or `bad_name`.
        """
        if info.id in self._participants:
            raise SignalingError(f"{info.id} is in this lobby already.", code="already_joined")
        self._check_room(info)
        info = info.model_copy(update={"name": clean_name(info.name)})
        self._participants[info.id] = info
        self._changed(Joined(info))
        return info

    def leave(self, id: str, reason: LeaveReason = "left") -> None:
        """Remove a participant; one who is not here is no error."""
        if self._participants.pop(id, None) is not None:
            self._changed(Left(id, reason))

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
        if {"id", "kind"} & changes.keys():
            raise SignalingError("A participant's id and kind never change.")
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

    def _check_room(self, info: ParticipantInfo) -> None:
        if info.kind == "agent":
            if len(self.agents) >= self.capacity.agents:
                raise LobbyFull(self.capacity.agents, "agents")
            return
        if len(self.humans) >= self.capacity.humans:
            raise LobbyFull(self.capacity.humans, "people")
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
