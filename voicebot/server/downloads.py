"""Recorded conversations as files to download. Blocking: to be called in threads."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from voicebot.conversation.manifest import Manifest

CHUNK = 256 * 1024


def manifests(folder: Path) -> list[Manifest]:
    """Of all conversations in the folder, oldest first; what cannot be read is left out."""
    found: list[Manifest] = []
    for path in sorted(folder.glob("*/manifest.json")):
        manifest = manifest_of(path.parent)
        if manifest is not None:
            found.append(manifest)
    return found


def manifest_of(folder: Path) -> Manifest | None:
    """None when there is none that can be read, or it is another conversation's."""
    path = folder / "manifest.json"
    try:
        if folder.is_symlink() or path.is_symlink():
            return None
        manifest = Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return manifest if manifest.conversation_id == folder.name else None


def chunks_of(path: Path) -> Iterator[bytes]:
    """The file as it is now: what is appended meanwhile is not in it. Raises OSError."""
    with path.open("rb") as file:
        left = path.stat().st_size
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk


def zipped(folder: Path) -> Iterator[bytes]:
    """The conversation's folder as a zip file, made while it is read.

    The manifest comes without the server's settings, which are no business of a lobby's hosts.
    """
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            if path == folder / "manifest.json":
                manifest = manifest_of(folder)
                if manifest is not None:
                    public = manifest.model_copy(update={"settings": {}})
                    archive.writestr(name, public.model_dump_json(indent=2))
                continue
            info = zipfile.ZipInfo.from_file(path, name)
            # Opus does not get smaller
            info.compress_type = zipfile.ZIP_STORED if path.suffix == ".ogg" else zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as entry:
                for chunk in chunks_of(path):
                    entry.write(chunk)
                    yield pipe.take()
            yield pipe.take()
    yield pipe.take()


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
