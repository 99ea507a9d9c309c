"""Carries out what the hosts of a lobby decide and what anyone reports."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from voicebot.agent.session import AgentSession
from voicebot.clock import Clock
from voicebot.errors import SignalingError
from voicebot.events import ModerationEvent
from voicebot.lobby.door import Door
from voicebot.lobby.lobby import LeaveReason
from voicebot.lobby.moderation import ReportLimit, unknown_participant
from voicebot.lobby.rights import RIGHTS, Action, Standing, check, check_towards, lasts
from voicebot.logs import AUDIT
from voicebot.server.lobby.persistence import LobbyStore
from voicebot.server.lobby.presence import Known, Presence
from voicebot.server.lobby.waiting_room import WaitingRoom
from voicebot.signaling.messages import Message, Moderation, ModerationData
from voicebot.store.base import BanRecord, ReportRecord

audit = logging.getLogger(AUDIT)
"""One line for each action, with `who` (session handle, "server" for who runs it), `what`, `whom` and
`lobby` as fields; the reason, being what people say, is in the store only."""

MAX_REASON = 500


class Remove(Protocol):
    """Take a person out of the lobby and tell them what `word` says."""

    def __call__(self, participant_id: str, reason: LeaveReason, word: Message) -> None: ...


class Moderator:
    """Of one lobby. `by` is the participant id of who asks, held to `voicebot.lobby.rights`; None is who runs
    the server (a notebook), who may do everything. `tell(person, message)` never waits.

    What an acting host changes holds until everybody has left (`emptied`).

    All methods raise SignalingError: `forbidden`, `unknown_participant`, `bad_message`.
    """

    def __init__(
        self,
        agent_session: AgentSession,
        door: Door,
        waiting_room: WaitingRoom,
        seats: Presence,
        *,
        store: LobbyStore,
        changed: Callable[[], None],
        tell: Callable[[str, Message], None],
        remove: Remove,
        reports: ReportLimit,
        clock: Clock,
        bans: Sequence[BanRecord],
    ) -> None:
        self._agent_session, self._lobby, self._door, self._waiting_room, self._presence = (
            agent_session, agent_session.lobby, door, waiting_room, seats,
        )  # fmt: skip
        self._store, self._changed, self._tell, self._remove = store, changed, tell, remove
        self._reports, self._clock = reports, clock
        self._bans = {record.handle: record for record in bans}
        self._bans_now: dict[str, BanRecord] = {}
        self._lasting: dict[str, object] = {}
        """The name and settings that hold again when the moment is over, where others hold now."""

    @property
    def bans(self) -> list[BanRecord]:
        """Oldest first."""
        return [*self._bans.values(), *self._bans_now.values()]

    @property
    def lasting(self) -> tuple[str, dict[str, object]]:
        """The lobby's name and the fields of its settings, without what was changed for the moment."""
        values = {"name": self._lobby.name, **self._lobby.settings.model_dump(), **self._lasting}
        return str(values.pop("name")), values

    def emptied(self) -> None:
        """Everybody has left: the moment is over."""
        self._bans_now.clear()
        self._door.emptied()
        lasting, self._lasting = self._lasting, {}
        self.change(lasting=True, **lasting)

    def standing(self, participant_id: str | None) -> Standing:
        """What somebody here, or a visitor at the door, is to this lobby; None is who runs the server."""
        if participant_id is None:
            return Standing.SERVER
        info = self._lobby.participants.get(participant_id)
        if info is None:
            waits = participant_id in self._door.waiting
            return Standing.VISITOR if waits else Standing.STRANGER
        if info.kind == "agent":
            return Standing.AGENT
        if self._handle(participant_id) in self._door.hosts:
            return Standing.OWNER
        return Standing.ACTING_HOST if info.role == "host" else Standing.GUEST

    def carry_out(self, me: str, message: Moderation) -> None:
        """A message of somebody who is here; echoed to them once it is done."""
        data = message.data
        action, target, reason = data.action, data.participant_id, data.reason
        self._check(me, action, target)
        match action:
            case "lock" | "unlock":
                self.lock(action == "lock", by=me)
            case "report":
                self.report(me, target, reason)
            case _:
                assert target is not None  # _check has seen to it
                act = {
                    "mute_request": self.request_mute,
                    "kick": self.kick,
                    "ban": self.ban,
                    "admit": self.admit,
                    "deny": self.deny,
                    "make_host": self.make_host,
                }[action]
                act(target, reason, by=me)
        self._tell(me, self._word(action, target, reason, me, id=message.id))

    # ------------------------------------------------------------ people

    def request_mute(self, participant_id: str, reason: str = "", *, by: str | None = None) -> None:
        """Ask a person to mute themselves; it is theirs to do it."""
        self._check(by, "mute_request", participant_id)
        self._tell_target(participant_id, "mute_request", reason, by)
        self._done("mute_request", participant_id, reason, by)

    def kick(self, participant_id: str, reason: str = "", *, by: str | None = None) -> None:
        """Take a person out. They may come again: by knocking where people knock."""
        lasting = self._check(by, "kick", participant_id)
        self._door.expel(self._handle(participant_id), lasting=lasting)
        self._done("kick", participant_id, reason, by)
        self._remove(participant_id, "kicked", self._word("kick", participant_id, reason, by))

    def ban(self, participant_id: str, reason: str = "", *, by: str | None = None) -> None:
        """Take a person out, or send a visitor at the door away, and do not let that session in again."""
        lasting = self._check(by, "ban", participant_id)
        known = self._known(participant_id)
        waited = self._door.ban(known.handle, lasting=lasting)
        by_handle = self._handle(by)
        record = BanRecord(
            self._lobby.id, known.handle, known.name, by_handle, reason[:MAX_REASON], time.time()
        )
        if lasting:
            self._bans[known.handle] = record
            self._store.banned(record)
        else:
            self._bans_now[known.handle] = record
        self._done("ban", participant_id, reason, by)
        if waited is not None:
            self._waiting_room.turn_away([waited])
        else:
            self._remove(participant_id, "banned", self._word("ban", participant_id, reason, by))

    def unban(self, handle: str) -> None:
        """Let a banned session (see `bans`) come again; one that is not banned is no error."""
        if self._door.unban(handle):
            self._bans.pop(handle, None)
            self._bans_now.pop(handle, None)
            self._store.unbanned(self._lobby.id, handle)
            self._audit("unban", handle, None)

    def make_host(self, participant_id: str, reason: str = "", *, by: str | None = None) -> None:
        """One more owner: host now and whenever they come again."""
        self._check(by, "make_host", participant_id)
        client = self._presence.get(participant_id)
        if client is not None:
            self._door.hosts.add(client.session.handle)
        if not self._lobby.participants[participant_id].owner:
            self._agent_session.make_host(participant_id)
            self._tell_target(participant_id, "make_host", reason, by)
        self._done("make_host", participant_id, reason, by)

    # ------------------------------------------------------------ the door

    def lock(self, locked: bool = True, *, by: str | None = None) -> None:
        """Let nobody new in any more, not even by knocking; owners always come in."""
        action: Action = "lock" if locked else "unlock"
        lasting = self._check(by, action, None)
        self.change(lasting=lasting, locked=locked)
        self._done(action, None, "", by)

    def unlock(self) -> None:
        self.lock(False)

    def change(self, *, lasting: bool = True, **changes: object) -> None:
        """Change `name`, `private`, `locked`, `agents_by` or `people`. Raises `bad_name`, `bad_message`."""
        before = {"name": self._lobby.name, **self._lobby.settings.model_dump()}
        changed = self._lobby.change(**changes)
        for field in changes:
            if lasting:
                self._lasting.pop(field, None)
            else:
                self._lasting.setdefault(field, before[field])
        if changed:
            self._waiting_room.settings_changed()
        self._changed()

    def admit(self, visitor_id: str, reason: str = "", *, by: str | None = None) -> None:
        """Let a visitor in. Raises LobbyFullError, and they go on waiting."""
        lasting = self._check(by, "admit", visitor_id)
        visitor = self._waiting_room.admit(visitor_id, lasting=lasting)
        self._done("admit", visitor.handle, reason, by)

    def deny(self, visitor_id: str, reason: str = "", *, by: str | None = None) -> None:
        """Send a visitor away for now."""
        self._check(by, "deny", visitor_id)
        visitor = self._waiting_room.deny(visitor_id)
        self._done("deny", visitor.handle, reason, by)

    # ------------------------------------------------------------ reports

    def report(self, me: str, about: str | None, reason: str) -> ReportRecord:
        """Write down for who runs the server what somebody says of a participant or of the lobby.

        Those it is about learn nothing of it, not even in the log of the conversation.

        Raises:
            SignalingError: `too_many`, retryable.
        """
        whom = self._known(about) if about is not None else Known("", "")
        handle = self._handle(me)
        self._reports.take(handle, self._clock())
        record = ReportRecord(
            id=f"r-{secrets.token_hex(8)}",
            lobby_id=self._lobby.id,
            conversation_id=self._agent_session.log.conversation_id
            if self._agent_session.log is not None
            else "",
            by=handle,
            about=whom.handle,
            name=whom.name,
            reason=reason[:MAX_REASON],
            at=time.time(),
        )
        self._store.reported(record)
        self._audit("report", whom.handle, me)
        return record

    # ------------------------------------------------------------ inside

    def _check(self, by: str | None, action: Action, target: str | None) -> bool:
        """Whether `by` may do this to whom it names; returns whether what they do lasts.

        Raises:
            SignalingError: `forbidden`, `bad_message` when nobody is named, `unknown_participant`.
        """
        standing, rule = self.standing(by), RIGHTS[action]
        check(action, standing)
        if target is None:
            if rule.towards and not rule.optional:
                raise SignalingError(
                    f"{action} needs the participant_id of whom it concerns.", hint="Name someone."
                )
        elif rule.towards:
            whom = self.standing(target)
            if target == by or whom in rule.towards:
                check_towards(action, standing, whom, oneself=target == by)
            elif action != "report":  # that one can be about somebody who has left
                raise unknown_participant(target, whom)
        return lasts(standing)

    def _known(self, about: str) -> Known:
        info = self._lobby.participants.get(about)
        if info is not None and info.kind == "agent":
            return Known(info.id, info.name)
        client = self._presence.get(about)
        if info is not None and client is not None:
            return Known(client.session.handle, info.name)
        visitor = self._door.waiting.get(about)
        if visitor is not None:
            return Known(visitor.handle, visitor.name)
        known = self._presence.left(about)
        if known is None:
            raise unknown_participant(about)
        return known

    def _handle(self, participant_id: str | None) -> str:
        client = self._presence.get(participant_id) if participant_id is not None else None
        return client.session.handle if client is not None else ""

    def _tell_target(self, participant_id: str, action: Action, reason: str, by: str | None) -> None:
        if participant_id != by:
            self._tell(participant_id, self._word(action, participant_id, reason, by))

    def _word(
        self, action: Action, target: str | None, reason: str, by: str | None, id: str | None = None
    ) -> Moderation:
        data = ModerationData(action=action, participant_id=target, reason=reason, by=by)
        return Moderation(id=id, lobby=self._lobby.id, data=data)

    def _done(self, action: Action, target: str | None, reason: str, by: str | None) -> None:
        """Into the conversation's log, if one goes on, and into the audit log."""
        log = self._agent_session.log
        if log is not None and not log.closed:
            log.emit(ModerationEvent(participant_id=by, action=action, target_id=target, reason=reason))
        client = self._presence.get(target) if target is not None else None
        self._audit(action, client.session.handle if client is not None else target or "", by)
        self._changed()

    def _audit(self, what: str, whom: str, by: str | None) -> None:
        who = self._handle(by)
        audit.info(
            "%s carried out",
            what,
            extra={"who": who or "server", "what": what, "whom": whom, "lobby": self._lobby.id},
        )
