"""A lobby: its participants, and observers of its changes. Pure, no I/O."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from voicebot.errors import SignalingError
from voicebot.lobby.capacity import CameraLimit, Capacity, LobbyFullError
from voicebot.lobby.names import clean_name, distinct_name
from voicebot.signaling.messages import LobbyInfo, LobbySettings, ParticipantInfo

logger = logging.getLogger(__name__)

LeaveReason = Literal["left", "lost", "kicked", "banned", "removed"]
RESTORED = 1_000_000
"""Added to the stored version of a restored lobby, because browsers may have seen newer ones."""


@dataclass(frozen=True)
class Joined:
    """A participant has joined."""

    info: ParticipantInfo


@dataclass(frozen=True)
class Updated:
    """Fields of a participant have changed."""

    info: ParticipantInfo
    before: ParticipantInfo


@dataclass(frozen=True)
class Left:
    """A participant has left."""

    info: ParticipantInfo
    reason: LeaveReason


@dataclass(frozen=True)
class Changed:
    """The lobby's name or settings have changed."""


LobbyEvent = Joined | Updated | Left | Changed


class Lobby:
    """The participants of one lobby, people and agents, in order of arrival.

    `version` grows with every change, so that a receiver can recognise an outdated state. While people are in
    the lobby, there is a host. The first person becomes host, and a successor when the last host leaves.
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
        """The participants by id; a live, read-only view."""
        return MappingProxyType(self._participants)

    @property
    def humans(self) -> list[ParticipantInfo]:
        """The people, in order of arrival."""
        return [p for p in self._participants.values() if p.kind == "human"]

    @property
    def agents(self) -> list[ParticipantInfo]:
        """The agents, in order of arrival."""
        return [p for p in self._participants.values() if p.kind == "agent"]

    @property
    def hosts(self) -> list[ParticipantInfo]:
        """The people who may moderate; empty only if nobody is here."""
        return [p for p in self.humans if p.role == "host"]

    @property
    def people_limit(self) -> int:
        """How many people fit, by the settings of the hosts and by the server's limit."""
        return min(self.capacity.humans, self.settings.people)

    @property
    def host_peer(self) -> str:
        """The peer that carries all agents of this lobby."""
        return f"host-{self.id}"

    def info(self) -> LobbyInfo:
        """The lobby as browsers see it; `host_peer` is null if it has no agent."""
        peer = self.host_peer if self.agents else None
        return LobbyInfo(id=self.id, name=self.name, settings=self.settings, host_peer=peer)

    def join(self, info: ParticipantInfo) -> ParticipantInfo:
        """Add a participant under its cleaned name. Without a host, a person becomes host.

        A person whose name looks like that of another participant gets a number.

        Raises:
            LobbyFullError: There is no room for another participant of this kind.
            CameraLimit: There is room, but not for another camera.
            SignalingError: `already_joined`, or `bad_name`.
        """
        if info.id in self._participants:
            raise SignalingError(f"{info.id} is already in this lobby.", code="already_joined")
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
        """Remove a participant, if they are here. After the last host, another person becomes host."""
        if (info := self._participants.pop(id, None)) is not None:
            self._changed(Left(info, reason))
            if not self.hosts and (people := self.humans):
                # rather somebody who is connected than somebody who may never come back
                self.make_host(next((one for one in people if one.presence == "present"), people[0]).id)

    def make_host(self, id: str, *, owner: bool = False) -> ParticipantInfo:
        """Make a person a host, or with `owner` an owner. An owner stays one.

        Raises:
            SignalingError: `unknown_participant`: no such person is here.
        """
        old = self._participants.get(id)
        if old is None or old.kind != "human":
            raise SignalingError(
                f"{id} is not a person in this lobby.",
                hint="lobby_state lists the people who are here.",
                code="unknown_participant",
            )
        info = old.model_copy(update={"role": "host", "owner": owner or old.owner})
        if info != old:
            self._participants[id] = info
            self._changed(Updated(info, old))
        return info

    def change(self, **changes: Any) -> bool:
        """Change the name or fields of the settings; returns False if nothing changed.

        The limit of people may be lower than their number: nobody has to leave, but nobody new can join.

        Raises:
            SignalingError: `bad_name`, or `bad_message` for what LobbySettings refuses.
        """
        name = clean_name(changes.pop("name", self.name))
        try:
            settings = LobbySettings.model_validate(self.settings.model_dump() | changes)
        except ValueError as error:
            raise SignalingError(
                f"These settings of the lobby are invalid: {error}", hint="Correct them and send them again."
            ) from None
        if (name, settings) == (self.name, self.settings):
            return False
        self.name, self.settings = name, settings
        self._changed(Changed())
        return True

    def update(self, id: str, /, **changes: Any) -> ParticipantInfo:
        """Change fields of a participant. Observers are not called if nothing changed.

        Raises:
            SignalingError: `not_joined`, `bad_name`, or `bad_message` for what ParticipantInfo refuses.
            CameraLimit: There is no room for another camera.
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
            raise SignalingError("A participant's id, kind and role cannot be changed with an update.")
        try:
            info = ParticipantInfo.model_validate(old.model_dump() | changes)
        except ValueError as error:
            raise SignalingError(
                f"This change of a participant is invalid: {error}", hint="Correct it and send it again."
            ) from None
        if info == old:
            return old
        if info.camera and not old.camera:
            self._check_cameras()
        self._participants[id] = info
        self._changed(Updated(info, old))
        return info

    def subscribe(self, observer: Callable[[LobbyEvent], None]) -> Callable[[], None]:
        """Call `observer` after every change, in order; returns a function that ends this."""
        self._observers.append(observer)

        def unsubscribe() -> None:
            if observer in self._observers:
                self._observers.remove(observer)

        return unsubscribe

    def check_people(self, *, owner: bool = False) -> None:
        """Check that one more person fits. Only the server's limit applies to an owner.

        Raises:
            LobbyFullError: The lobby is full.
        """
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
            except Exception:  # an observer must not break the lobby
                logger.exception("An observer of lobby %s failed on %r", self.id, event)
