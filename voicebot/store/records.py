"""Converts records to JSON and back, for stores of text."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from voicebot.store.base import BanRecord, LobbyRecord, ReportRecord, SeatRecord, SessionRecord

logger = logging.getLogger(__name__)
R = TypeVar("R")


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (SessionRecord, SeatRecord, LobbyRecord, BanRecord, ReportRecord)
}


def dump(record: object) -> str:
    """Return a record as one line of ASCII, which every store accepts whatever a name contains."""
    return _ADAPTERS[type(record)].dump_json(record, ensure_ascii=True).decode()


def load(kind: type[R], text: str | bytes) -> R | None:
    """Return the record, or None with a warning if it cannot be read. Unknown fields are ignored."""
    try:
        record: R = _ADAPTERS[kind].validate_json(text)
        return record
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        logger.warning(
            "A %s in the store cannot be read, and is left out (%s: %s).", kind.__name__, where, first["msg"]
        )
        return None


def load_all(kind: type[R], texts: Iterable[str | bytes]) -> list[R]:
    """Return the records that can be read, in their order."""
    return [record for record in (load(kind, text) for text in texts) if record is not None]
