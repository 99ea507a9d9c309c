"""The thread that puts a conversation log on disk, and keeps trying when it cannot."""

from __future__ import annotations

import atexit
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import to_json

from voicebot.conversation.manifest import Manifest, software_versions
from voicebot.events import Event

if TYPE_CHECKING:
    from io import FileIO

SYNC_EVERY = 1.0
"""Seconds: what is written is forced to the medium at least this often."""
RETRY_EVERY = 5.0
"""Seconds between attempts while the disk refuses."""

Source = Callable[[int], tuple[list[Event], Manifest]]
"""Events from an index on, and the manifest that goes with them."""


def line_of(event: Event) -> bytes:
    """One event as a line of JSON, whatever strange values a plug-in put into it."""
    try:
        return to_json(event, inf_nan_mode="null", fallback=repr) + b"\n"
    except ValueError:  # a lone surrogate, which UTF-8 cannot hold
        text = json.dumps(event.model_dump(), default=repr, skipkeys=True, ensure_ascii=False)
        return text.encode("utf-8", "replace") + b"\n"


class LogWriter:
    """Appends to `events.jsonl` at once, syncs it each second, and rewrites `manifest.json` when it changed.

    After an error the file is cut back to its last whole line and what is missing is
    written again, so that a disk that was full for a while leaves no hole.
    """

    def __init__(self, folder: Path, source: Source, on_trouble: Callable[[str], None]) -> None:
        self._folder = folder
        self._source = source
        self._on_trouble = on_trouble
        self._file: FileIO | None = None
        self._written = 0
        self._size = 0
        self._manifest: Manifest | None = None
        self._state = threading.Condition()
        self._wakes = 0
        self._served = 0
        self._urgent = False
        self._failing = False
        self._unsynced = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"log {folder.name}", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def wake(self) -> None:
        """There is something to write."""
        with self._state:
            self._wakes += 1
            self._state.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait for all events so far to be on disk; False when they are not."""
        with self._state:
            self._wakes += 1
            goal = self._wakes
            self._urgent = True
            self._state.notify_all()
            self._state.wait_for(lambda: self._served >= goal or not self._thread.is_alive(), timeout)
            return self._served >= goal and not self._failing

    def close(self, timeout: float = 2.0) -> bool:
        """Write what is left and end the thread; True when everything is on disk."""
        with self._state:
            self._closing = True
            self._state.notify_all()
        self._thread.join(timeout)
        atexit.unregister(self.close)
        return not self._thread.is_alive() and not self._failing

    # ------------------------------------------------------------ on the thread

    def _run(self) -> None:
        while True:
            with self._state:
                pause = 0.0 if self._failing else SYNC_EVERY if self._unsynced else None
                self._state.wait_for(lambda: self._closing or self._wakes > self._served, pause)
                goal, closing = self._wakes, self._closing
                idle = goal == self._served and not closing
            try:
                self._write(sync=idle or closing)
                failing = False
            except (OSError, ValueError) as error:
                failing = True
                self._give_up_file()
                if not self._failing:
                    self._on_trouble(
                        f"The conversation cannot be written to {self._folder}: {error}."
                        " It goes on in memory and is written as soon as that works again."
                    )
            with self._state:
                self._failing = failing
                self._served = goal
                self._urgent = self._urgent and self._wakes > goal
                self._state.notify_all()
                if failing and not closing:  # no hurry: events that come in do not make the disk better
                    self._state.wait_for(lambda: self._closing or self._urgent, RETRY_EVERY)
            if closing:
                self._give_up_file()
                return

    def _write(self, *, sync: bool) -> None:
        events, manifest = self._source(self._written)
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = open(self._folder / "events.jsonl", "ab", buffering=0)  # noqa: SIM115
            self._file.truncate(self._size)
        if events:
            data = b"".join(map(line_of, events))
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
            self._size += len(data)
            self._written += len(events)
            self._unsynced = True
        if sync and self._unsynced:
            os.fsync(self._file.fileno())
            self._unsynced = False
        if manifest is not self._manifest:
            self._write_manifest(manifest)
            self._manifest = manifest

    def _write_manifest(self, manifest: Manifest) -> None:
        if not manifest.software:
            manifest = manifest.model_copy(update={"software": software_versions()})
        partial = self._folder / ".manifest.json.part"
        partial.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8", errors="replace")
        partial.replace(self._folder / "manifest.json")

    def _give_up_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                self._unsynced = True
