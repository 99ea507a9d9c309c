"""The messages between the media worker and the process that started it: a length, then a pickle.

Both ends are this package on one machine, over a socketpair that nobody else can reach. Audio arrays
are pickled (protocol 5) with one copy and no conversion.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from dataclasses import dataclass
from logging import LogRecord
from typing import Any

from voicebot.errors import VoicebotError
from voicebot.media.base import Answer, Command, Notice, PeerOffer

_LENGTH = struct.Struct("!I")
MAX_MESSAGE = 256 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """To the worker: an offer, which is answered by a `Reply` with the same number."""

    number: int
    offer: PeerOffer


@dataclass(frozen=True)
class Reply:
    """From the worker: the result of the request with the same number."""

    number: int
    answer: Answer | VoicebotError


@dataclass(frozen=True)
class WorkerReady:
    """From the worker: it has started and carries out commands."""


ToWorker = Command | Request
FromWorker = Notice | Reply | LogRecord | WorkerReady


def pack(message: object) -> bytes:
    """Serialize a message, with its length in front."""
    body = pickle.dumps(message, protocol=5)
    return _LENGTH.pack(len(body)) + body


async def receive(reader: asyncio.StreamReader) -> Any:
    """Read the next message; None at the end of the stream. Raises ValueError for an impossible length."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MAX_MESSAGE:
            raise ValueError(f"a message of {length} bytes")
        return pickle.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
