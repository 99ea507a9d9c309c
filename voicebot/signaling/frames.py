"""Reads client messages from text frames.

JSON parsers disagree about repeated keys, and Python takes `true` for 1. Whatever two readers could
understand differently is refused here.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from voicebot.errors import SignalingError
from voicebot.signaling.messages import ClientMessage, Ping, client_message

_SHOWN = 120  # characters of a field's path to repeat: the sender chooses the names of unknown fields


class Malformed(SignalingError):
    """A frame is not a valid message. `id` is the message's id if it could be read."""

    def __init__(
        self,
        reason: str,
        id: str | None,
        hint: str = "It was ignored. Correct it and send it again.",
        code: str = "bad_message",
    ) -> None:
        super().__init__(f"This message is malformed: {reason}.", hint=hint, code=code)
        self.id = id


def read(frame: str) -> ClientMessage:
    """Parse and validate a text frame. Raises Malformed (`bad_message`, `unknown_type`)."""
    try:
        message = client_message.validate_json(frame)
    except ValidationError as error:
        raise _explain(error, _id_of(frame)) from None
    # only pydantic's parser refuses lone surrogates and endless nesting, only this one sees repeated keys
    try:
        fields = json.loads(frame, object_pairs_hook=_unique)
    except ValueError:
        raise Malformed("a field is repeated", message.id) from None
    if fields.get("v") is True:
        raise Malformed("v: Input should be 1", message.id)
    return message


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is repeated")
    return fields


def _explain(error: ValidationError, id: str | None) -> Malformed:
    """Name the first error without repeating the frame."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    if first["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        hint = "Reload the page if it is older than the server. The protocol lists all types."
        return Malformed("the server does not know its `type`", id, hint, code="unknown_type")
    if len(where) > _SHOWN:
        where = where[:_SHOWN] + "…"
    return Malformed(f"{where}: {first['msg']}" if where else first["msg"], id)


def _id_of(frame: str) -> str | None:
    """The id of a malformed message, if it can be read."""
    try:
        id = json.loads(frame)["id"]
        Ping(id=id)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return None if id is None else str(id)
