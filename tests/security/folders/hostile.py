"""Anything but regular files that a folder can contain, and a check that other files are unchanged."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from voicebot.audio.ogg import OggOpusWriter
from voicebot.audio.opus import silence_packet

R = TypeVar("R")
PRIVATE = "a north canary"
Trap = Callable[[Path, Path], None]


def _absolute(place: Path, target: Path) -> None:
    place.symlink_to(target)


def _relative(place: Path, target: Path) -> None:
    place.symlink_to(os.path.relpath(target, place.parent))


def _dangling(place: Path, target: Path) -> None:
    place.symlink_to(target.with_name("not made yet"))


def _loop(place: Path, target: Path) -> None:
    place.symlink_to(place.name)


def _fifo(place: Path, target: Path) -> None:
    os.mkfifo(place)


def _socket(place: Path, target: Path) -> None:
    with chdir(place.parent), socket.socket(socket.AF_UNIX) as bound:  # a long path does not fit into one
        bound.bind(place.name)


def _endless(place: Path, target: Path) -> None:
    place.symlink_to("/dev/zero")


def _device(place: Path, target: Path) -> None:
    try:
        os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:  # only root may
        place.symlink_to("/dev/zero")


def _folder(place: Path, target: Path) -> None:
    place.mkdir()


LINKS: dict[str, Trap] = {
    "absolute": _absolute,
    "relative": _relative,
    "dangling": _dangling,
    "loop": _loop,
    "endless": _endless,
}
TRAPS: dict[str, Trap] = LINKS | {"fifo": _fifo, "socket": _socket, "device": _device, "folder": _folder}
"""Functions by name that create something at a path. Links lead to a target."""


def record(path: Path) -> None:
    """A recording of one second of silence."""
    writer = OggOpusWriter(path)
    writer.write([silence_packet(960)] * 50)
    writer.close()


def contents(root: Path) -> dict[str, object]:
    """Everything below a folder: kinds, permissions, times, contents and targets of links."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        at = path.lstat()
        content = (
            os.readlink(path) if path.is_symlink() else path.read_bytes() if stat.S_ISREG(at.st_mode) else ""
        )
        found[str(path.relative_to(root))] = (at.st_mode, at.st_mtime_ns, content)
    return found


@contextmanager
def released(folder: Path) -> Iterator[None]:
    """On exit, release everybody who waits for the other end of a FIFO below the folder."""
    try:
        yield
    finally:
        for path in folder.rglob("*"):
            if stat.S_ISFIFO(path.lstat().st_mode):
                with suppress(OSError):
                    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def returned(call: Callable[[], R], folder: Path) -> R:
    """What a call returns or raises; the test fails if it hangs."""
    results: list[R] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    with released(folder):
        thread.start()
        thread.join(60)
        hangs = thread.is_alive()
    assert not hangs, "it waits for what does not come"
    if errors:
        raise errors[0]
    return results[0]
