"""How many fit into a lobby, and the errors of those who do not."""

from __future__ import annotations

from dataclasses import dataclass

from voicebot.errors import SignalingError


@dataclass(frozen=True)
class Capacity:
    """How many fit. Humans send to each other directly, so video costs more than audio."""

    humans: int = 10
    video: int = 6
    agents: int = 8
    waiting: int = 30
    """At the door."""


class LobbyFullError(SignalingError):
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
