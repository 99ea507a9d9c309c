"""The length of an Ogg Opus file from its last page (RFC 3533 and 7845), without decoding it."""

from __future__ import annotations

import struct
from pathlib import Path

OPUS_CLOCK = 48_000
"""Hz of Ogg Opus granule positions, whatever rate was encoded (RFC 7845, section 4)."""
LARGEST_PAGE = 65_307
"""Bytes (RFC 3533, section 6)."""


def ogg_duration(path: Path) -> float | None:
    """Seconds; None when the file is no readable Ogg Opus file."""
    try:
        with path.open("rb") as file:
            head = file.read(LARGEST_PAGE)
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 2 * LARGEST_PAGE))
            tail = file.read()
    except OSError:
        return None
    opus = head.find(b"OpusHead")
    if opus < 0 or len(head) < opus + 12:
        return None
    (skip,) = struct.unpack_from("<H", head, opus + 10)
    at = tail.rfind(b"OggS")
    while at >= 0:
        if len(tail) >= at + 14:
            granule: int = struct.unpack_from("<q", tail, at + 6)[0]
            if granule >= 0:
                return max(0.0, float(granule - skip) / OPUS_CLOCK)
        at = tail.rfind(b"OggS", 0, at)
    return None
