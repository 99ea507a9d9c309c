"""Errors as the browser gets them, over the wire and over HTTP."""

from __future__ import annotations

import logging
from typing import Any

from voicebot.errors import VoicebotError
from voicebot.lobby.capacity import LobbyFullError
from voicebot.signaling.messages import ClientMessage, Error, ErrorData, JoinLobby, LobbyFull, LobbyFullData

logger = logging.getLogger(__name__)


def error_message(error: VoicebotError, id: str | None) -> Error:
    """What its author is told."""
    return Error(id=id, data=_data(error))


def error_body(error: VoicebotError) -> dict[str, Any]:
    """The same four fields as the answer to a request."""
    return {"error": _data(error).model_dump()}


def hidden_error_body() -> dict[str, Any]:
    """Of an unexpected error, whose text stays in the server's log."""
    return error_body(_hidden())


def failure(error: Exception, id: str | None, what: str) -> Error:
    """Of whatever went wrong. An unexpected error's text stays in the server's log, under `what` it was."""
    if isinstance(error, VoicebotError):
        return error_message(error, id)
    logger.error("%s failed", what, exc_info=error)
    return error_message(_hidden(), id)


def refusal(error: Exception, message: ClientMessage, what: str) -> Error | LobbyFull:
    """The answer to a message that could not be carried out; `what` as for `failure`."""
    if isinstance(error, LobbyFullError) and isinstance(message, JoinLobby):
        return LobbyFull(id=message.id, lobby=message.lobby, data=LobbyFullData(limit=error.limit))
    return failure(error, message.id, what)


def _hidden() -> VoicebotError:
    return VoicebotError("The server could not do this.", hint="Its log says why; everything else goes on.")


def _data(error: VoicebotError) -> ErrorData:
    return ErrorData(code=error.code, message=error.message, hint=error.hint, retryable=error.retryable)
