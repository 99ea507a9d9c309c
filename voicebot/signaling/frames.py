"""From a frame of text to a message, with one verdict on what JSON leaves open.

JSON parsers differ on a key that comes twice and on `true` where 1 is meant; what two
readers understand differently is refused here, as is what is nested without end.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from voicebot.errors import SignalingError
from voicebot.signaling.messages import ClientMessage, Ping, client_message

_SHOWN = 120  # characters of where something is wrong: the sender chose the names of unknown fields


class Malformed(SignalingError):
    """A frame that is no message; `id` is the message's, where it can be told."""

    def __init__(self, message: str, *, hint: str, code: str = "bad_message", id: str | None = None) -> None:
        super().__init__(message, hint=hint, code=code)
        self.id = id


def read(frame: str) -> ClientMessage:
    """The message of one text frame. Raises Malformed (`bad_message`, `unknown_type`)."""
    try:
        message = client_message.validate_json(frame)
    except ValidationError as error:
        raise _explain(error, _id_of(frame)) from None
    # pydantic's parser takes the last of two equal keys. What passed it is nested at most 200 deep.
    try:
        fields = json.loads(frame, object_pairs_hook=_unique)
    except ValueError:  # this parser, too, may find more wrong than the other
        raise Malformed(
            "This message is malformed: a field comes twice.",
            hint="Nothing was changed by it.",
            id=message.id,
        ) from None
    if fields.get("v") is True:  # equal to 1 for Python, and for no one else
        raise Malformed(
            "This message is malformed: v: Input should be 1.",
            hint="Nothing was changed by it.",
            id=message.id,
        )
    return message


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field comes twice")
    return fields


def _explain(error: ValidationError, id: str | None) -> Malformed:
    """The first thing that is wrong, without repeating what was sent."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    if first["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        return Malformed(
            "A message needs a `type` that this server knows.",
            hint="The protocol lists them; is the page older than the server? Reload it.",
            code="unknown_type",
            id=id,
        )
    if len(where) > _SHOWN:
        where = where[:_SHOWN] + "…"
    text = f"{where}: {first['msg']}" if where else first["msg"]
    return Malformed(f"This message is malformed: {text}.", hint="Nothing was changed by it.", id=id)


def _id_of(frame: str) -> str | None:
    """The id of a malformed message, if it can be told."""
    try:
        id = json.loads(frame)["id"]
        Ping(id=id)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return None if id is None else str(id)
