"""The one way to files of a folder that somebody else may have made.

Who packs or shares a folder chooses what lies in it: a link that leads out (tar and git keep them), a
FIFO that nobody writes to, a device without end, a file larger than memory. So only regular files are
opened, nothing below the folder is reached through a link, and nothing is read beyond a bound. The
folder itself may be a link, since its user named it. A hard link cannot be told from any other file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Flags: fail at a link, do not wait for the other end of a FIFO, change no line endings."""
RELATIVE = os.open in os.supports_dir_fd
"""Whether a folder can be held while its files are opened. On Windows a path is checked, then opened."""
LINK = "a link and not followed"
KINDS = (
    (stat.S_ISLNK, LINK),
    (stat.S_ISDIR, "a folder, not a file"),
    (stat.S_ISREG, "a file, not a folder"),
    (stat.S_ISFIFO, "a FIFO, not a file"),
    (stat.S_ISSOCK, "a socket, not a file"),
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
)


class UnsafePath(OSError):
    """Something else lies there than what was asked for; `strerror` says what."""


def open_file(path: str | Path, flags: int, mode: int = 0o666, *, dir_fd: int | None = None) -> int:
    """`os.open` for regular files alone, none of them through a link at the end of `path`.

    Raises:
        UnsafePath: it is a link, a FIFO, a socket, a device or a folder.
        OSError: as `os.open`.
    """
    handle = None
    try:
        with suppress(FileNotFoundError):  # to open a device can already do something: look first
            _check(os.stat(path, dir_fd=dir_fd, follow_symlinks=False), stat.S_ISREG)
        handle = os.open(path, flags | SAFE, mode, dir_fd=dir_fd)
        _check(os.fstat(handle), stat.S_ISREG)  # it may have been another one a moment ago
    except OSError as error:
        error.filename = str(path)
        if handle is not None:
            os.close(handle)
        raise
    return handle


def make_folder(path: Path) -> None:
    """Make it if it is not there. Raises OSError, UnsafePath when something else is, or a link."""
    with suppress(FileExistsError):
        path.mkdir(parents=True)
    try:
        _check(path.lstat(), stat.S_ISDIR)
    except UnsafePath as error:
        error.filename = str(path)
        raise


@dataclass(frozen=True)
class Folder:
    """A folder, by the one that its user named and the names of those inside it.

    The errors of all methods carry the whole path as `filename`.
    """

    root: Path
    """May be a link."""
    below: tuple[str, ...] = ()
    """May not be links."""

    @property
    def path(self) -> Path:
        return self.root.joinpath(*self.below)

    @property
    def name(self) -> str:
        return self.path.name

    def folder(self, name: str) -> Folder:
        """The one of that name in this one, whether it is there or not."""
        return Folder(self.root, (*self.below, name))

    def names(self) -> list[str]:
        """What is in it, sorted. Raises OSError, UnsafePath when it is no folder."""
        with self._entered() as (place, handle):
            return sorted(os.listdir(place if handle is None else handle))

    def mode(self, name: str) -> int:
        """The `st_mode` of what has that name, also of a link; 0 when there is nothing. Raises OSError."""
        with self._entered(name) as (place, handle), suppress(FileNotFoundError):
            return os.stat(os.path.join(place, name), dir_fd=handle, follow_symlinks=False).st_mode
        return 0

    def open(self, name: str) -> BinaryIO:
        """A regular file, to read. Raises OSError, UnsafePath when it is something else."""
        with self._entered(name) as (place, handle):
            return os.fdopen(open_file(os.path.join(place, name), os.O_RDONLY, dir_fd=handle), "rb")

    def read(self, name: str, largest: int) -> bytes:
        """A file of at most `largest` bytes, as it is now. Raises OSError, UnsafePath when it has more."""
        with self.open(name) as file:
            size = os.fstat(file.fileno()).st_size
            if size > largest:
                reason = f"it is larger than {largest / 2**20:.0f} MiB"
                raise UnsafePath(errno.EFBIG, reason, str(self.path / name))
            return file.read(size)

    @contextmanager
    def _entered(self, *names: str) -> Iterator[tuple[str, int | None]]:
        """What to put before a name in here, and the descriptor that it is relative to."""
        try:
            for name in (*self.below, *names):
                if name in {"", ".."} or Path(name).name != name:
                    raise UnsafePath(errno.EINVAL, "it has more than a name, or none")
            if not RELATIVE:
                place = self.root
                for name in self.below:
                    place = place / name
                    _check(place.lstat(), stat.S_ISDIR)
                yield str(place), None
                return
            handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
            try:
                for name in self.below:
                    _check(os.stat(name, dir_fd=handle, follow_symlinks=False), stat.S_ISDIR)
                    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | SAFE, dir_fd=handle)
                    os.close(handle)
                    handle = inner
                yield "", handle
            finally:
                os.close(handle)
        except OSError as error:
            error.filename = str(self.path.joinpath(*names))
            raise


def _check(found: os.stat_result, wanted: Callable[[int], bool]) -> None:
    junction = getattr(found, "st_reparse_tag", 0) == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)
    if junction or not wanted(found.st_mode):
        kind = next((text for is_kind, text in KINDS if is_kind(found.st_mode)), "no file")
        raise UnsafePath(errno.EINVAL, f"it is {LINK if junction else kind}")
