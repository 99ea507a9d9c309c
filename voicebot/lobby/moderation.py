"""The error for a moderation target that does not exist, and the limit of reports. Pure."""

from __future__ import annotations

from collections import deque

from voicebot.errors import SignalingError
from voicebot.lobby.rights import Standing

REPORTS, REPORT_SECONDS = 5, 600.0
"""The number of reports that a session may send within this number of seconds."""


def unknown_participant(target: str, standing: Standing = Standing.STRANGER) -> SignalingError:
    """The error for a `target` that is not here or is the wrong kind of participant."""
    if standing is Standing.AGENT:
        return SignalingError(
            f"{target} is an agent.",
            hint="Use agent_update to mute it and agent_remove to remove it.",
            code="unknown_participant",
        )
    if standing is Standing.VISITOR:
        return SignalingError(
            f"{target} is waiting at the door.", hint="Let them in first.", code="unknown_participant"
        )
    if standing >= Standing.GUEST:
        return SignalingError(
            f"{target} is already in the lobby.",
            hint="lobby_state lists the people who are here.",
            code="unknown_participant",
        )
    return SignalingError(
        f"{target} is not in this lobby.", hint="They may have left.", code="unknown_participant"
    )


class ReportLimit:
    """Allows each session `REPORTS` reports within `REPORT_SECONDS`."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}

    def take(self, handle: str, now: float) -> None:
        """Count a report. Raises SignalingError (`too_many`, retryable) if this session has sent too many."""
        self._forget(now)
        times = self._times.setdefault(handle, deque())
        if len(times) >= REPORTS:
            wait = times[0] + REPORT_SECONDS - now
            raise SignalingError(
                "You have sent many reports. All of them were saved.",
                hint=f"You can send another one in {max(1, round(wait / 60))} min.",
                code="too_many",
                retryable=True,
            )
        times.append(now)

    def _forget(self, now: float) -> None:
        for handle, times in list(self._times.items()):
            while times and times[0] <= now - REPORT_SECONDS:
                times.popleft()
            if not times:
                del self._times[handle]
