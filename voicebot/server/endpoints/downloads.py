"""Recorded conversations as files to download. Blocking: to be called in threads."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from voicebot.conversation.manifest import Manifest
from voicebot.conversation.reading.ogg import recordings
from voicebot.conversation.reading.reader import LARGEST_MANIFEST
from voicebot.folders import Folder

CHUNK = 256 * 1024
FIRST, LAST = 315_619_200, 4_354_732_800
"""The time that a zip file can hold, in seconds since 1970: the years 1980 to 2107."""


def conversation(folder: Path, conversation_id: str) -> Folder:
    """The one of that id in the folder of all; no link leads out of it."""
    return Folder(folder).folder(conversation_id)


def manifests(folder: Path) -> list[Manifest]:
    """Of all conversations in the folder, oldest first; what cannot be read is left out."""
    try:
        names = Folder(folder).names()
    except OSError:
        return []
    found = (manifest_of(conversation(folder, name)) for name in names)
    return [manifest for manifest in found if manifest is not None]


def manifest_of(folder: Folder) -> Manifest | None:
    """None when there is none that can be read, or it is another conversation's."""
    try:
        manifest = Manifest.model_validate_json(folder.read("manifest.json", LARGEST_MANIFEST))
    except (OSError, ValidationError):
        return None
    return manifest if manifest.conversation_id == folder.name else None


def events_of(folder: Folder) -> Iterator[bytes]:
    """The events as they are now. Raises OSError at once when they cannot be read."""
    return _chunks(folder.open("events.jsonl"))


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """What is appended meanwhile is not in it."""
    with file:
        left = os.fstat(file.fileno()).st_size
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk


def zipped(folder: Folder) -> Iterator[bytes]:
    """The files of a conversation as a zip file, made while it is read; others in its folder are left out.

    The manifest comes without the server's settings, which are no business of a lobby's hosts.
    """
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        if (manifest := manifest_of(folder)) is not None:
            public = manifest.model_copy(update={"settings": {}})
            archive.writestr(f"{folder.name}/manifest.json", public.model_dump_json(indent=2))
        for where, name in (("", "events.jsonl"), *(("audio/", name) for name in recordings(folder))):
            try:
                file = (folder.folder("audio") if where else folder).open(name)
            except OSError:
                continue
            info = zipfile.ZipInfo(f"{folder.name}/{where}{name}", _changed(file))
            info.external_attr = 0o644 << 16
            # Opus does not get smaller
            info.compress_type = zipfile.ZIP_STORED if where else zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as entry:
                for chunk in _chunks(file):
                    entry.write(chunk)
                    yield pipe.take()
            yield pipe.take()
    yield pipe.take()


def _changed(file: BinaryIO) -> tuple[int, int, int, int, int, int]:
    """When, as far as a zip file can say it."""
    at = time.localtime(min(max(os.fstat(file.fileno()).st_mtime, FIRST), LAST))
    return at.tm_year, at.tm_mon, at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec


class _Pipe(io.RawIOBase):
    """What zipfile writes, for the reader to take."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken
