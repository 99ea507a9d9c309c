"""What goes between the media worker and its handle: a length, then a pickle.

Both ends are this package on one machine, over a socketpair nobody else can reach.
Audio arrays are pickled whole (protocol 5): one copy, no conversion.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voicebot.errors import VoicebotError
from voicebot.media.base import Answer, Command, Notice, PeerOffer

_LENGTH = struct.Struct("!I")
MAX_MESSAGE = 256 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """Handle to worker: an offer to answer by a `Reply` of the same number."""

    number: int
    offer: PeerOffer


@dataclass(frozen=True)
class Reply:
    """Worker to handle: what a request came to."""

    number: int
    answer: Answer | VoicebotError


@dataclass(frozen=True)
class Log:
    """Worker to handle: a log record, its message already formatted."""

    level: int
    logger: str
    text: str
    created: float
    """Unix seconds."""
    traceback: str = ""
    exception: Sequence[Mapping[str, Any]] | None = None
    """The same as data, as `voicebot.logs.structured_exception` gives it."""


@dataclass(frozen=True)
class WorkerReady:
    """Worker to handle: commands are carried out from now on."""


ToWorker = Command | Request
FromWorker = Notice | Reply | Log | WorkerReady


def pack(message: object) -> bytes:
    """One message as bytes."""
    body = pickle.dumps(message, protocol=5)
    return _LENGTH.pack(len(body)) + body


async def receive(reader: asyncio.StreamReader) -> Any:
    """The next message; None at the end of the stream.

    Raises:
        ValueError: a length no message has.
    """
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MAX_MESSAGE:
            raise ValueError(f"a message of {length} bytes")
        return pickle.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
