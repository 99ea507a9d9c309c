"""Reads recorded conversations as downloads. Everything here blocks: call it in threads."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from voicebot.conversation.manifest import LARGEST_MANIFEST, Manifest
from voicebot.conversation.reading.ogg import recordings
from voicebot.folders import Folder

CHUNK = 256 * 1024
FIRST, LAST = 315_619_200, 4_354_732_800
"""Unix times that a zip file can store: the years 1980 to 2107."""


def manifests(folder: Path) -> list[Manifest]:
    """Return the manifests of all readable conversations in the folder, oldest first."""
    conversations = Folder(folder)
    try:
        names = conversations.names()
    except OSError:
        return []
    found = (manifest_of(conversations.folder(name)) for name in names)
    return [manifest for manifest in found if manifest is not None]


def manifest_of(folder: Folder) -> Manifest | None:
    """Return the manifest; None if it cannot be read or belongs to another conversation."""
    try:
        manifest = Manifest.model_validate_json(folder.read("manifest.json", LARGEST_MANIFEST))
    except (OSError, ValidationError):
        return None
    return manifest if manifest.conversation_id == folder.name else None


def events_of(folder: Folder) -> Iterator[bytes]:
    """Yield the events so far. Raises OSError at once if they cannot be read."""
    return _chunks(folder.open("events.jsonl"))


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the file without what is appended meanwhile."""
    with file:
        left = os.fstat(file.fileno()).st_size
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk


def zipped(folder: Folder) -> Iterator[bytes]:
    """Yield a zip file of a conversation's own files; anything else in its folder is left out.

    The manifest comes without the server's settings, which do not concern the hosts of a lobby.
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
            # Opus does not compress any further
            info.compress_type = zipfile.ZIP_STORED if where else zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as entry:
                for chunk in _chunks(file):
                    entry.write(chunk)
                    yield pipe.take()
            yield pipe.take()
    yield pipe.take()


def _changed(file: BinaryIO) -> tuple[int, int, int, int, int, int]:
    """Return the modification time, clamped to what a zip file can store."""
    at = time.localtime(min(max(os.fstat(file.fileno()).st_mtime, FIRST), LAST))
    return at.tm_year, at.tm_mon, at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec


class _Pipe(io.RawIOBase):
    """Collects what zipfile writes until `take` returns it."""

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
