"""Carries out what the hosts of a lobby decide and what anyone reports."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence

from voicebot.agent.session import AgentSession
from voicebot.clock import Clock
from voicebot.errors import SignalingError
from voicebot.events import ModerationEvent
from voicebot.lobby.door import Door
from voicebot.lobby.lobby import LeaveReason
from voicebot.lobby.moderation import ReportLimit, unknown_participant
from voicebot.lobby.rights import RIGHTS, Action, Standing, check, check_towards, lasts
from voicebot.logs import AUDIT
from voicebot.server.lobby.persistence import Persistence
from voicebot.server.lobby.presence import Known, Presence
from voicebot.server.lobby.waiting_room import WaitingRoom
from voicebot.signaling.messages import Message, Moderation, ModerationData
from voicebot.store.base import BanRecord, ReportRecord

audit = logging.getLogger(AUDIT)
"""One line for each action, with the fields `who` (a session handle, or "server" for the operator), `what`,
`whom` and `lobby`. The reason is in the store only, because it is what people say."""

MAX_REASON = 500


class Moderator:
    """Moderates one lobby. `by` is the participant id of the person who asks, whose rights are those of
    `voicebot.lobby.rights`; None is the operator of the server (in a notebook), who may do everything.

    What an acting host changes lasts until everybody has left (`emptied`). `expel(participant_id, reason,
    message)` removes a person from the lobby and sends them the message.

    All methods raise SignalingError: `forbidden`, `unknown_participant`, `bad_message`.
    """

    def __init__(
        self,
        agent_session: AgentSession,
        door: Door,
        waiting_room: WaitingRoom,
        presence: Presence,
        store: Persistence,
        *,
        expel: Callable[[str, LeaveReason, Message], None],
        reports: ReportLimit,
        clock: Clock,
        bans: Sequence[BanRecord],
    ) -> None:
        self._agent_session, self._lobby = agent_session, agent_session.lobby
        self._door, self._waiting_room, self._presence = door, waiting_room, presence
        self._store, self._expel, self._reports, self._clock = store, expel, reports, clock
        self._bans = {record.handle: record for record in bans}
        self._bans_now: dict[str, BanRecord] = {}
        self._lasting: dict[str, object] = {}
        """The name and settings to go back to when everybody has left."""

    @property
    def bans(self) -> list[BanRecord]:
        """All bans, those of acting hosts last; each kind oldest first."""
        return [*self._bans.values(), *self._bans_now.values()]

    @property
    def lasting(self) -> tuple[str, dict[str, object]]:
        """The lobby's name and the fields of its settings, without the changes of acting hosts."""
        values = {"name": self._lobby.name, **self._lobby.settings.model_dump(), **self._lasting}
        return str(values.pop("name")), values

    def emptied(self) -> None:
        """Undo what acting hosts have changed, because everybody has left."""
        self._bans_now.clear()
        self._door.emptied()
        lasting, self._lasting = self._lasting, {}
        self.change(lasting=True, **lasting)

    def standing(self, participant_id: str | None) -> Standing:
        """The standing of a participant or a visitor at the door; None is the operator."""
        if participant_id is None:
            return Standing.SERVER
        info = self._lobby.participants.get(participant_id)
        if info is None:
            waits = participant_id in self._door.waiting
            return Standing.VISITOR if waits else Standing.STRANGER
        if info.kind == "agent":
            return Standing.AGENT
        if self._presence.handle(participant_id) in self._door.hosts:
            return Standing.OWNER
        return Standing.ACTING_HOST if info.role == "host" else Standing.GUEST

    def carry_out(self, me: str, message: Moderation) -> None:
        """Carry out the message of a participant, and then echo it to them."""
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
        self._presence.tell(me, self._message(action, target, reason, me, id=message.id))

    # ------------------------------------------------------------ people

    def request_mute(self, participant_id: str, reason: str = "", *, by: str | None = None) -> None:
        """Ask a person to mute themselves, which only they can do."""
        self._check(by, "mute_request", participant_id)
        self._tell_target(participant_id, "mute_request", reason, by)
        self._done("mute_request", participant_id, reason, by)

    def kick(self, participant_id: str, reason: str = "", *, by: str | None = None) -> None:
        """Remove a person. They may come again, and have to knock if the lobby is private."""
        lasting = self._check(by, "kick", participant_id)
        self._door.expel(self._presence.handle(participant_id), lasting=lasting)
        self._done("kick", participant_id, reason, by)
        self._expel(participant_id, "kicked", self._message("kick", participant_id, reason, by))

    def ban(self, participant_id: str, reason: str = "", *, by: str | None = None) -> None:
        """Remove a person, or send a visitor away, and do not let that session in again."""
        lasting = self._check(by, "ban", participant_id)
        known = self._known(participant_id)
        waited = self._door.ban(known.handle, lasting=lasting)
        banned_by = self._presence.handle(by)
        record = BanRecord(
            self._lobby.id, known.handle, known.name, banned_by, reason[:MAX_REASON], time.time()
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
            self._expel(participant_id, "banned", self._message("ban", participant_id, reason, by))

    def unban(self, handle: str) -> None:
        """Lift the ban of a session handle (see `bans`), if there is one."""
        if self._door.unban(handle):
            self._bans.pop(handle, None)
            self._bans_now.pop(handle, None)
            self._store.unbanned(self._lobby.id, handle)
            self._audit("unban", handle, None)

    def make_host(self, participant_id: str, reason: str = "", *, by: str | None = None) -> None:
        """Make a person an owner: a host now and whenever they come again."""
        self._check(by, "make_host", participant_id)
        if handle := self._presence.handle(participant_id):
            self._door.hosts.add(handle)
        if not self._lobby.participants[participant_id].owner:
            self._agent_session.make_host(participant_id)
            self._tell_target(participant_id, "make_host", reason, by)
        self._done("make_host", participant_id, reason, by)

    # ------------------------------------------------------------ the door

    def lock(self, locked: bool = True, *, by: str | None = None) -> None:
        """Let nobody new in, not even by knocking, except owners; or let people in again."""
        action: Action = "lock" if locked else "unlock"
        lasting = self._check(by, action, None)
        self.change(lasting=lasting, locked=locked)
        self._done(action, None, "", by)

    def unlock(self) -> None:
        """Let people in again; the same as `lock(False)`."""
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
        self._store.lobby_changed(self._lobby.id)

    def admit(self, visitor_id: str, reason: str = "", *, by: str | None = None) -> None:
        """Let a visitor in. Raises LobbyFullError, and the visitor keeps waiting."""
        lasting = self._check(by, "admit", visitor_id)
        visitor = self._waiting_room.admit(visitor_id, lasting=lasting)
        self._done("admit", visitor.handle, reason, by)

    def deny(self, visitor_id: str, reason: str = "", *, by: str | None = None) -> None:
        """Send a visitor away. They may knock again after a while."""
        self._check(by, "deny", visitor_id)
        visitor = self._waiting_room.deny(visitor_id)
        self._done("deny", visitor.handle, reason, by)

    # ------------------------------------------------------------ reports

    def report(self, me: str, about: str | None, reason: str) -> ReportRecord:
        """Store a report about a participant, or with None about the lobby, for the operator to read.

        The people in the lobby do not learn of it, not even from the log of the conversation.

        Raises:
            SignalingError: `too_many`, retryable.
        """
        whom = self._known(about) if about is not None else Known("", "")
        handle, log = self._presence.handle(me), self._agent_session.log
        self._reports.take(handle, self._clock())
        record = ReportRecord(
            id=f"r-{secrets.token_hex(8)}",
            lobby_id=self._lobby.id,
            conversation_id=log.conversation_id if log is not None else "",
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
        """Check that `by` may do this to `target`. Returns whether the effect outlasts their stay.

        Raises:
            SignalingError: `forbidden`, `unknown_participant`, or `bad_message` without a target.
        """
        standing, rule = self.standing(by), RIGHTS[action]
        check(action, standing)
        if target is None:
            if rule.towards and not rule.optional:
                raise SignalingError(
                    f"{action} needs a participant_id.", hint="Name the participant it is about."
                )
        elif rule.towards:
            whom = self.standing(target)
            if target == by or whom in rule.towards:
                check_towards(action, standing, whom, oneself=target == by)
            elif action != "report":  # a report can be about somebody who has left
                raise unknown_participant(target, whom)
        return lasts(standing)

    def _known(self, about: str) -> Known:
        info = self._lobby.participants.get(about)
        if info is not None and info.kind == "agent":
            return Known(info.id, info.name)
        if info is not None and (handle := self._presence.handle(about)):
            return Known(handle, info.name)
        visitor = self._door.waiting.get(about)
        if visitor is not None:
            return Known(visitor.handle, visitor.name)
        known = self._presence.left(about)
        if known is None:
            raise unknown_participant(about)
        return known

    def _tell_target(self, participant_id: str, action: Action, reason: str, by: str | None) -> None:
        if participant_id != by:
            self._presence.tell(participant_id, self._message(action, participant_id, reason, by))

    def _message(
        self, action: Action, target: str | None, reason: str, by: str | None, id: str | None = None
    ) -> Moderation:
        data = ModerationData(action=action, participant_id=target, reason=reason, by=by)
        return Moderation(id=id, lobby=self._lobby.id, data=data)

    def _done(self, action: Action, target: str | None, reason: str, by: str | None) -> None:
        """Log an action in the current conversation, if there is one, and in the audit log."""
        log = self._agent_session.log
        if log is not None and not log.closed:
            log.emit(ModerationEvent(participant_id=by, action=action, target_id=target, reason=reason))
        self._audit(action, self._presence.handle(target) or target or "", by)
        self._store.lobby_changed(self._lobby.id)

    def _audit(self, what: str, whom: str, by: str | None) -> None:
        who = self._presence.handle(by) or "server"
        audit.info(
            "%s carried out", what, extra={"who": who, "what": what, "whom": whom, "lobby": self._lobby.id}
        )
