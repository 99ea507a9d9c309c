"""Whom moderation can concern, and how many reports are taken. Pure; clock passed in."""

from __future__ import annotations

from collections import deque

from voicebot.errors import SignalingError
from voicebot.lobby.rights import Standing

REPORTS, REPORT_SECONDS = 5, 600.0
"""So many reports may a session send within so many seconds."""


def unknown_participant(target: str, standing: Standing = Standing.STRANGER) -> SignalingError:
    """`target` is none of those whom it can concern: not here, or here as something else."""
    if standing is Standing.AGENT:
        return SignalingError(
            f"{target} is an agent.",
            hint="Agents are muted with agent_update and taken out with agent_remove.",
            code="unknown_participant",
        )
    if standing is Standing.VISITOR:
        return SignalingError(
            f"{target} waits at the door.", hint="Let them in first.", code="unknown_participant"
        )
    if standing >= Standing.GUEST:
        return SignalingError(
            f"{target} is in the lobby already.",
            hint="lobby_state lists those who are here.",
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
