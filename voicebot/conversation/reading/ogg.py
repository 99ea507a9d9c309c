"""The recordings in a conversation's folder, and their lengths (RFC 3533 and 7845)."""

from __future__ import annotations

import os
import re
import struct
from typing import BinaryIO

from voicebot.conversation.frames.columns import Row
from voicebot.conversation.reading.problems import LoadProblem
from voicebot.folders import Folder

OPUS_CLOCK = 48_000
"""Hz of granule positions in Ogg Opus, at any sample rate (RFC 7845, section 4)."""
LARGEST_PAGE = 65_307
"""Bytes (RFC 3533, section 6)."""
PAGE = re.compile(rb"OggS(?=..(.{8}))", re.DOTALL)
"""The start of a page, with its granule position (-1 if no packet ends in the page)."""
RECORDING = re.compile(r"(?!\.)[A-Za-z0-9_.~-]+\.ogg")
"""The names of the recorder's files. An archive, which others unpack, has no other names."""


def recordings(conversation: Folder) -> list[str]:
    """Return the sorted names of recordings in the `audio` folder; none without that folder."""
    try:
        return [name for name in conversation.folder("audio").names() if RECORDING.fullmatch(name)]
    except OSError:
        return []


def participant_of(recording: str) -> str:
    """Return the participant id in the name of a recording (unusual characters are replaced)."""
    return recording.removesuffix(".ogg").partition("~")[0]


def audio_rows(conversation: Folder) -> tuple[list[Row], list[LoadProblem]]:
    """Return the rows of the `audio` frame, and the problems of files that cannot be read."""
    folder = conversation.folder("audio")
    rows: list[Row] = []
    problems: list[LoadProblem] = []
    try:
        names = [name for name in folder.names() if name.endswith(".ogg")]
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [LoadProblem.of(error)]
    for name in names:
        path = str(folder.path / name)
        try:
            path.encode()  # frames hold only UTF-8
            with folder.open(name) as file:
                duration, size = ogg_duration(file), os.fstat(file.fileno()).st_size
        except UnicodeEncodeError:
            problems.append(LoadProblem.unnamed(path))
        except OSError as error:
            problems.append(LoadProblem.of(error))
        else:
            rows.append(
                {
                    "participant_id": participant_of(name),
                    "path": path,
                    "offset_s": 0.0,  # recordings begin with the conversation
                    "duration_s": duration,
                    "size_bytes": size,
                }
            )
    return rows, problems


def ogg_duration(file: BinaryIO) -> float | None:
    """Return the length in seconds, from the last page; None if it is not a readable Ogg Opus file."""
    try:
        head = file.read(LARGEST_PAGE)
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 2 * LARGEST_PAGE))
        tail = file.read(2 * LARGEST_PAGE)
    except OSError:
        return None
    opus = head.find(b"OpusHead")
    if opus < 0 or len(head) < opus + 12:
        return None
    (skip,) = struct.unpack_from("<H", head, opus + 10)
    granules = [struct.unpack("<q", page[1])[0] for page in PAGE.finditer(tail)]
    last = next((granule for granule in reversed(granules) if granule >= 0), None)
    return None if last is None else max(0.0, float(last - skip) / OPUS_CLOCK)
