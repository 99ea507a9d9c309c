"""Whether there is room on the disk for what people say: recordings give way first, then the events."""

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
"""Of the reserve: the part that is left when events, too, wait in memory."""
BEYOND = 1.05
"""Of the quota of all conversations: up to this, events are still written."""
BLOCK = 4096
"""What a file of one byte takes of a disk, and a folder, too."""
COUNTING = 20
"""How many times as long as it takes to count what the conversations have, it is not counted again."""


@dataclass(frozen=True)
class Space:
    """What there is room for, and why for no more."""

    problem: str = ""
    """What is wrong, and what to do; empty when nothing is."""
    recordings: bool = True
    events: bool = True


def free_bytes(folder: Path) -> int:
    """Of the disk that the folder is on; it may have to be made yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def used_bytes(folder: Path) -> int:
    """What all files and folders below the folder take, in whole blocks: many conversations in which little
    was said take more than they say. What vanishes meanwhile does not count."""
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
    """`measure` blocks: to be called in a thread.

    Args:
        folder: that of all conversations.
        reserve: bytes that stay free on its disk.
        quota: bytes that all conversations may have together; 0 for any number.
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
        """As it is now; a disk that does not say counts as full."""
        try:
            free = self._free(self._folder)
        except OSError as error:
            return Space(f"The free space of the data folder is not known: {error}.", False, True)
        if free < self._reserve:
            return Space(
                f"The disk has {free / MIB:.0f} MiB left, and {self._reserve / MIB:g} are to stay free"
                " (DISK_RESERVE_MIB). Make room on it, or set DATA_DIR to a larger one.",
                recordings=False,
                events=free >= LAST * self._reserve,
            )
        used = self._count() if self._quota else 0
        if self._quota and used >= self._quota:
            return Space(
                f"All conversations together have {used / GIB:.1f} GiB, and may have {self._quota / GIB:g}"
                " (CONVERSATIONS_GIB). Move old ones away, or allow more.",
                recordings=False,
                events=used < BEYOND * self._quota,
            )
        return Space()

    def _count(self) -> int:
        """Many files take long to count: at most a twentieth of the time goes into it."""
        began = self._clock()
        if began >= self._count_at:
            self._counted = self._used(self._folder)
            ended = self._clock()
            self._count_at = ended + COUNTING * (ended - began)
        return self._counted
