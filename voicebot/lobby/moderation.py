"""Who may do what in a lobby. Pure; clock passed in."""

from __future__ import annotations

from collections import deque
from typing import Literal

from voicebot.errors import SignalingError
from voicebot.lobby.lobby import Lobby
from voicebot.signaling.messages import ParticipantInfo

Action = Literal["mute_request", "kick", "ban", "lock", "unlock", "admit", "deny", "make_host", "report"]
Need = Literal["nobody", "person", "visitor", "person or visitor", "anyone or nobody"]

HOSTS_ONLY: frozenset[Action] = frozenset(
    {"mute_request", "kick", "ban", "lock", "unlock", "admit", "deny", "make_host"}
)
CONCERNS: dict[Action, Need] = {
    "mute_request": "person",
    "kick": "person",
    "ban": "person or visitor",
    "lock": "nobody",
    "unlock": "nobody",
    "admit": "visitor",
    "deny": "visitor",
    "make_host": "person",
    "report": "anyone or nobody",
}
"""Whom each action needs as its `participant_id`."""
REPORTS, REPORT_SECONDS = 5, 600.0
"""So many reports may a session send within so many seconds."""


def check_host(lobby: Lobby, me: str, what: str = "do this") -> None:
    """Raises SignalingError (`forbidden`) unless `me` is a host of this lobby."""
    info = lobby.participants.get(me)
    if info is None or info.role != "host":
        raise SignalingError(
            f"Only a host of this lobby may {what}.", hint="Ask one of its hosts.", code="forbidden"
        )


def check_agents(lobby: Lobby, me: str) -> None:
    """Raises SignalingError (`forbidden`) unless `me` may add, change and remove agents here."""
    if lobby.settings.agents_by == "host":
        check_host(lobby, me, "add, mute and remove agents")


def check_action(lobby: Lobby, me: str, action: Action, target: str | None) -> None:
    """Whether a participant may do this at all, and names whom it concerns.

    Raises:
        SignalingError: `forbidden`, or `bad_message` when nobody is named.
    """
    if action in HOSTS_ONLY:
        check_host(lobby, me, f"{action.replace('_', ' ')} here")
    if target is None and CONCERNS[action] not in {"nobody", "anyone or nobody"}:
        raise SignalingError(f"{action} needs the participant_id of whom it concerns.", hint="Name someone.")
    if action in {"kick", "ban"} and target == me:
        raise SignalingError(
            f"Nobody can {action} themselves.", hint="leave_lobby frees your seat.", code="forbidden"
        )


def find_person(lobby: Lobby, target: str) -> ParticipantInfo:
    """Raises SignalingError (`unknown_participant`) unless `target` is a person who is here."""
    info = lobby.participants.get(target)
    if info is None or info.kind != "human":
        raise unknown_participant(target, agent=info is not None)
    return info


def unknown_participant(target: str, *, agent: bool = False) -> SignalingError:
    """`target` is not here, or an agent where a person is meant."""
    if agent:
        return SignalingError(
            f"{target} is an agent.",
            hint="Agents are muted with agent_update and taken out with agent_remove.",
            code="unknown_participant",
        )
    return SignalingError(
        f"{target} is not in this lobby.", hint="They may have left.", code="unknown_participant"
    )


class ReportLimit:
    """`count` reports within `seconds` for each session."""

    def __init__(self, count: int = REPORTS, seconds: float = REPORT_SECONDS) -> None:
        self._count, self._seconds = count, seconds
        self._times: dict[str, deque[float]] = {}

    def take(self, handle: str, now: float) -> None:
        """Raises SignalingError (`too_many`, retryable) when this session has used up its reports."""
        self._forget(now)
        times = self._times.setdefault(handle, deque())
        if len(times) >= self._count:
            wait = times[0] + self._seconds - now
            raise SignalingError(
                "You have sent many reports; they are all written down.",
                hint=f"Send the next one in {max(1, round(wait / 60))} min.",
                code="too_many",
                retryable=True,
            )
        times.append(now)

    def _forget(self, now: float) -> None:
        for handle, times in list(self._times.items()):
            while times and times[0] <= now - self._seconds:
                times.popleft()
            if not times:
                del self._times[handle]
