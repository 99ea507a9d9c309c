"""Detects when an event loop is blocked, for how long, and by which code."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
import sys
import sysconfig
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

from voicebot.clock import Clock, monotonic

logger = logging.getLogger(__name__)

THRESHOLD = 0.25
"""Seconds. A longer pause is heard as a delayed answer."""
BEAT = 0.05
"""Seconds between two beats of the loop, and between two checks of the thread."""

LIBRARIES = tuple({*sysconfig.get_paths().values()} - {sysconfig.get_path("data")} | {"<frozen "})
"""Folders of Python and installed packages, whose code is not blamed for a stall."""
VOICEBOT = str(Path(__file__).parents[1]) + os.sep
CELLS = re.compile(r"[/\\]ipykernel_\d+[/\\][^/\\]+$|^<ipython-input-")
"""The file names of cells in ipykernel and IPython."""

Culprit = Literal["cell", "code", "voicebot", "unseen"]
"""A notebook cell, other code of the user, this package (and libraries that it uses), or unknown."""


@dataclass(frozen=True)
class Stall:
    """The event loop was blocked for `seconds`."""

    seconds: float
    where: str
    """The running code as `file:line function`; "" if only C code ran, which held the GIL."""


class StallMonitor:
    """Watches the event loop that it is started on.

    A timer beats on the loop. A late beat is a stall, reported on the loop as soon as it runs again.
    Meanwhile, a thread looks at what the loop is running. Exceptions of `on_stall` are logged.
    """

    def __init__(
        self,
        on_stall: Callable[[Stall], None],
        *,
        threshold: float = THRESHOLD,
        clock: Clock = monotonic,
        on_beat: Callable[[float], None] = lambda late: None,
    ) -> None:
        """`on_beat` gets the delay of each beat in seconds, and must not raise."""
        self._on_stall, self._on_beat = on_stall, on_beat
        self._threshold = threshold
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._where = ""
        self._loop_thread = 0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to watch the running loop. A second call does nothing."""
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._stopped.clear()
        self._beat(loop)
        self._thread = threading.Thread(target=self._look, name="stall monitor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching. Safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        now = self._clock()
        late = now - self._last - BEAT if self._timer is not None else 0.0
        where, self._where = self._where, ""
        self._last = now
        self._timer = loop.call_later(BEAT, self._beat, loop)
        self._on_beat(max(0.0, late))
        if late >= self._threshold:
            try:
                self._on_stall(Stall(round(late + BEAT, 3), where))
            except Exception:  # a failing observer must not end the watch
                logger.exception("A stall of %.1f s could not be reported", late)

    def _look(self) -> None:
        while not self._stopped.wait(BEAT):
            if self._clock() - self._last - BEAT >= self._threshold and not self._where:
                self._where = where_is(self._loop_thread)


def where_is(thread: int) -> str:
    """Describe what the thread with this identifier is running.

    No garbage is collected meanwhile. Python 3.11 may collect it while it makes the object of a frame, and
    finalizers then let the other thread return from this frame, whose memory is used for something else.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return describe(sys._current_frames().get(thread))
    finally:
        if collecting:
            gc.enable()


def describe(frame: FrameType | None) -> str:
    """Return the innermost frame that is not in a library (else the innermost), as `file:line function`."""
    if frame is None:
        return ""
    own: FrameType | None = frame
    while own is not None and _is_library(own.f_code.co_filename):
        own = own.f_back
    frame = own or frame
    return f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"


def culprit(where: str) -> Culprit:
    """Tell whose code blocked the loop. `where` is a result of `describe`."""
    file = where.rpartition(":")[0]
    if not file:
        return "unseen"
    if CELLS.search(file):
        return "cell"
    return "voicebot" if file.startswith(VOICEBOT) or _is_library(file) else "code"


def _is_library(file: str) -> bool:
    return file.startswith(LIBRARIES) and not file.startswith(VOICEBOT)
