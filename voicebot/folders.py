"""Safe access to the files of a folder that somebody else may have made.

Whoever packs a folder chooses its content: a link that leads out of it (tar and git keep links), a FIFO that
nobody writes to, an endless device, a file larger than memory. So this module opens only regular files,
follows no link below the folder, and reads no more than a limit. The folder itself may be a link, because
its user named it. A hard link looks like any other file.
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
"""Flags of `os.open`: fail on a link, do not wait for a FIFO, keep line endings."""
RELATIVE = os.open in os.supports_dir_fd
"""Whether files can be opened relative to an open folder. On Windows, paths are checked and then opened."""
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
    """A path is a link or not the expected kind of file. `strerror` says what it is."""


def open_file(path: str | Path, flags: int, mode: int = 0o666, *, dir_fd: int | None = None) -> int:
    """Open a regular file, as `os.open` does.

    Raises:
        UnsafePath: the path is a link, a FIFO, a socket, a device or a folder.
        OSError: the file cannot be opened.
    """
    handle = None
    try:
        with suppress(FileNotFoundError):  # check first, because opening a device may have an effect
            _check(os.stat(path, dir_fd=dir_fd, follow_symlinks=False), stat.S_ISREG)
        handle = os.open(path, flags | SAFE, mode, dir_fd=dir_fd)
        _check(os.fstat(handle), stat.S_ISREG)  # it may have been swapped since the first check
    except OSError as error:
        error.filename = str(path)
        if handle is not None:
            os.close(handle)
        raise
    return handle


def make_folder(path: Path) -> None:
    """Create a folder unless it exists.

    Raises:
        UnsafePath: the path is a link or not a folder.
        OSError: the folder cannot be created.
    """
    with suppress(FileExistsError):
        path.mkdir(parents=True)
    try:
        _check(path.lstat(), stat.S_ISDIR)
    except UnsafePath as error:
        error.filename = str(path)
        raise


@dataclass(frozen=True)
class Folder:
    """A folder: the path that the user named, and the names of folders inside it.

    The errors of all methods have the full path as `filename`.
    """

    root: Path
    """The path that the user named. It may be a link."""
    below: tuple[str, ...] = ()
    """Names of folders, each inside the one before. None may be a link."""

    @property
    def path(self) -> Path:
        """The whole path of the folder."""
        return self.root.joinpath(*self.below)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.name

    def folder(self, name: str) -> Folder:
        """Return the folder of that name in this one, whether it exists or not."""
        return Folder(self.root, (*self.below, name))

    def names(self) -> list[str]:
        """Return the sorted names in the folder.

        Raises:
            UnsafePath: it is not a folder.
            OSError: it cannot be read.
        """
        with self._entered() as (place, handle):
            return sorted(os.listdir(place if handle is None else handle))

    def mode(self, name: str) -> int:
        """Return the `st_mode` of that name, without following a link; 0 if it does not exist.

        Raises:
            OSError: the folder cannot be read.
        """
        with self._entered(name) as (place, handle), suppress(FileNotFoundError):
            return os.stat(os.path.join(place, name), dir_fd=handle, follow_symlinks=False).st_mode
        return 0

    def open(self, name: str) -> BinaryIO:
        """Open a regular file for reading.

        Raises:
            UnsafePath: it is not a regular file.
            OSError: it cannot be opened.
        """
        with self._entered(name) as (place, handle):
            return os.fdopen(open_file(os.path.join(place, name), os.O_RDONLY, dir_fd=handle), "rb")

    def read(self, name: str, largest: int) -> bytes:
        """Read a whole file of at most `largest` bytes.

        Raises:
            UnsafePath: it is not a regular file, or is larger.
            OSError: it cannot be read.
        """
        with self.open(name) as file:
            size = os.fstat(file.fileno()).st_size
            if size > largest:
                reason = f"it is larger than {largest / 2**20:.0f} MiB"
                raise UnsafePath(errno.EFBIG, reason, str(self.path / name))
            return file.read(size)

    @contextmanager
    def _entered(self, *names: str) -> Iterator[tuple[str, int | None]]:
        """Yield the prefix for a name in this folder, and the descriptor that the result is relative to."""
        try:
            for name in (*self.below, *names):
                if name in {"", ".."} or Path(name).name != name:
                    raise UnsafePath(errno.EINVAL, "it is not a single name")
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
