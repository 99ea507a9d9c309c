"""The lock of a data folder, which only one server may use. It ends with the process."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from voicebot.folders import open_file

FILE = "voicebot.lock"


class FolderLock:
    """A lock, held from a successful `take` until `release` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._handle: int | None = None
        self.owner = f"node-{secrets.token_hex(6)}"
        """The name of the holder. Later holders of the same folder get the same name."""

    def take(self) -> bool:
        """Try to take the lock. Returns False if another server holds it.

        Raises:
            OSError: the file of the lock cannot be opened.
        """
        handle = open_file(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _lock(handle):
            os.close(handle)
            return False
        self._handle = handle
        known = os.read(handle, 64).decode("ascii", "replace").strip()
        if known.startswith("node-"):
            self.owner = known
        else:
            os.lseek(handle, 0, os.SEEK_SET)
            os.ftruncate(handle, 0)
            os.write(handle, f"{self.owner}\n".encode())
        return True

    def release(self) -> None:
        """Release the lock. Safe to call twice."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


if sys.platform == "win32":

    def _lock(handle: int) -> bool:
        import msvcrt

        try:
            os.lseek(handle, 1024, os.SEEK_SET)  # a byte that is never read
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        except OSError:
            return False
        return True

else:

    def _lock(handle: int) -> bool:
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
