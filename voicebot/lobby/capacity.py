"""How many participants fit into a lobby, and the errors when it is full."""

from __future__ import annotations

from dataclasses import dataclass

from voicebot.errors import SignalingError


@dataclass(frozen=True)
class Capacity:
    """The limits of a lobby. Browsers send to each other directly, so a camera costs more than a voice."""

    humans: int = 10
    video: int = 6
    agents: int = 8
    waiting: int = 30
    """People who wait at the door."""


class LobbyFullError(SignalingError):
    """The lobby is full. `limit` is the number of participants that fit."""

    code = "lobby_full"
    retryable = True

    def __init__(self, limit: int, what: str) -> None:
        super().__init__(
            f"This lobby is full. Its limit of {what} is {limit}.", hint="Try again when someone has left."
        )
        self.limit = limit


class CameraLimit(SignalingError):
    """No more cameras fit; people can still join without one."""

    code = "camera_limit"
    retryable = True

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"This lobby has room for {limit} cameras.",
            hint="Your camera stays off. Try again when somebody has turned theirs off.",
        )
