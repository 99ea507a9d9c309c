"""One server for each data folder: a lock that ends with the process that holds it."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from voicebot.folders import open_file

FILE = "voicebot.lock"


class FolderLock:
    """Held from a successful `take` until `release`, or until the process ends in whatever way."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._handle: int | None = None
        self.owner = f"node-{secrets.token_hex(6)}"
        """A name for who holds it: the same for each who holds it after another."""

    def take(self) -> bool:
        """Whether it is ours now; False while another server has it. Raises OSError."""
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
        """Let the next one have it. Safe to call twice."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


if sys.platform == "win32":

    def _lock(handle: int) -> bool:
        import msvcrt

        try:
            os.lseek(handle, 1024, os.SEEK_SET)  # beyond what is read
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
