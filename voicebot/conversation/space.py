"""Watches the disk: when it fills up, first recordings stop, and then events wait in memory."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voicebot.clock import Clock, monotonic
from voicebot.conversation.quota import MIB

GIB = 1024 * MIB
LAST = 0.5
"""Fraction of the reserve at which events wait in memory."""
BEYOND = 1.05
"""Multiple of the quota of all conversations at which events wait in memory."""
BLOCK = 4096
"""Bytes on disk of a small file or a folder."""
COUNTING = 20
"""Pause between two counts, as a multiple of the time that the first one took."""


@dataclass(frozen=True)
class Space:
    """What there is room for on the disk."""

    problem: str = ""
    """What is wrong, and what to do; "" if nothing is."""
    recordings: bool = True
    events: bool = True


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk of a folder, which need not exist yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def used_bytes(folder: Path) -> int:
    """Return the bytes that all files and folders in the folder take, in whole blocks.

    Many short conversations take more than the sum of their sizes. Files that vanish during the count are
    left out.
    """
    total = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    size = entry.stat(follow_symlinks=False).st_size
                    total += max(1, math.ceil(size / BLOCK)) * BLOCK
        except OSError:
            continue
    return total


class SpaceLimits:
    """The limits of disk space. `measure` blocks, so call it in a thread.

    Args:
        folder: The folder of all conversations.
        reserve: Bytes that stay free on its disk.
        quota: Largest size of all conversations in bytes; 0 for no limit.
        free: Returns the free bytes of a folder's disk.
        used: Returns the bytes that a folder takes.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        reserve: int,
        quota: int,
        free: Callable[[Path], int] = free_bytes,
        used: Callable[[Path], int] = used_bytes,
        clock: Clock = monotonic,
    ) -> None:
        self._folder, self._reserve, self._quota = folder, reserve, quota
        self._free, self._used = free, used
        self._clock = clock
        self._counted, self._count_at = 0, 0.0

    def measure(self) -> Space:
        """Return what there is room for now. A disk whose free space is unknown counts as full."""
        try:
            free = self._free(self._folder)
        except OSError as error:
            return Space(f"The free space of the data folder is unknown: {error}.", False, True)
        if free < self._reserve:
            return Space(
                f"The disk has {free / MIB:.0f} MiB left, and {self._reserve / MIB:g} must stay free"
                " (DISK_RESERVE_MIB). Make room, or set DATA_DIR to a larger disk.",
                recordings=False,
                events=free >= LAST * self._reserve,
            )
        used = self._count() if self._quota else 0
        if self._quota and used >= self._quota:
            return Space(
                f"All conversations together have {used / GIB:.1f} GiB, and may have {self._quota / GIB:g}"
                " (CONVERSATIONS_GIB). Move old ones elsewhere, or raise the limit.",
                recordings=False,
                events=used < BEYOND * self._quota,
            )
        return Space()

    def _count(self) -> int:
        """Return the used bytes. Counting takes at most a twentieth of the time, even with many files."""
        began = self._clock()
        if began >= self._count_at:
            self._counted = self._used(self._folder)
            ended = self._clock()
            self._count_at = ended + COUNTING * (ended - began)
        return self._counted
