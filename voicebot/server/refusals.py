"""Errors as the browser gets them."""

from __future__ import annotations

from voicebot.errors import VoicebotError
from voicebot.signaling.messages import Error, ErrorData


def error_message(error: Exception, id: str | None) -> Error:
    """What its author is told; an unexpected error's text stays in the server's log."""
    if not isinstance(error, VoicebotError):
        error = VoicebotError(
            "The server could not do this.", hint="Its log says why; everything else goes on."
        )
    data = ErrorData(code=error.code, message=error.message, hint=error.hint, retryable=error.retryable)
    return Error(id=id, data=data)
