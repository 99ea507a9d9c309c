"""Turn exceptions into error messages (WebSocket) and error bodies (HTTP)."""

from __future__ import annotations

import logging
from typing import Any

from voicebot.errors import VoicebotError
from voicebot.lobby.capacity import LobbyFullError
from voicebot.signaling.messages import ClientMessage, Error, ErrorData, JoinLobby, LobbyFull, LobbyFullData

logger = logging.getLogger(__name__)


def error_message(error: VoicebotError, id: str | None) -> Error:
    """The `error` message for the sender of message `id`."""
    return Error(id=id, data=_data(error))


def error_body(error: VoicebotError) -> dict[str, Any]:
    """The JSON body of an HTTP error, with the same four fields."""
    return {"error": _data(error).model_dump()}


def hidden_error_body() -> dict[str, Any]:
    """The body for an unexpected error, whose text stays in the server's log."""
    return error_body(_hidden())


def failure(error: Exception, id: str | None, what: str) -> Error:
    """The `error` message for any exception.

    An unexpected one is logged as "`what` failed", and the client gets none of its text.
    """
    if isinstance(error, VoicebotError):
        return error_message(error, id)
    logger.error("%s failed", what, exc_info=error)
    return error_message(_hidden(), id)


def refusal(error: Exception, message: ClientMessage, what: str) -> Error | LobbyFull:
    """The answer to a message that failed: `lobby_full`, or what `failure` returns."""
    if isinstance(error, LobbyFullError) and isinstance(message, JoinLobby):
        return LobbyFull(id=message.id, lobby=message.lobby, data=LobbyFullData(limit=error.limit))
    return failure(error, message.id, what)


def _hidden() -> VoicebotError:
    return VoicebotError(
        "The server could not do this.", hint="You can continue. The log of the server has the cause."
    )


def _data(error: VoicebotError) -> ErrorData:
    return ErrorData(code=error.code, message=error.message, hint=error.hint, retryable=error.retryable)
