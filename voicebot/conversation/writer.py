"""The thread that writes a conversation log to disk, and retries after errors."""

from __future__ import annotations

import atexit
import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import to_json

from voicebot.clock import monotonic
from voicebot.conversation.manifest import Manifest, software_versions
from voicebot.events import Event
from voicebot.folders import open_file

if TYPE_CHECKING:
    from io import FileIO

SYNC_EVERY = 1.0
"""Seconds until written data is synced to the disk, however much is written meanwhile."""
RETRY_EVERY = 5.0
"""Seconds between attempts while writing fails."""

Source = Callable[[int], tuple[list[Event], Manifest]]
"""Returns the events from an index on, and their manifest."""


def line_of(event: Event) -> bytes:
    """Return an event as a line of JSON, whatever values a plug-in put into it."""
    try:
        return to_json(event, inf_nan_mode="null", fallback=repr) + b"\n"
    except ValueError:  # a lone surrogate, which UTF-8 cannot encode
        text = json.dumps(event.model_dump(), default=repr, skipkeys=True, ensure_ascii=False)
        return text.encode("utf-8", "replace") + b"\n"


class LogWriter:
    """Appends to `events.jsonl` at once, syncs it every second, and rewrites `manifest.json` when it changes.

    After an error, the file is cut back to its last complete line, and the missing events are written again,
    so a disk that was full for a while leaves no gap. A file that was deleted or shortened is rewritten from
    memory. A file that existed before belongs to another conversation and is never changed.
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
        self._begun = False
        self._sync_at: float | None = None
        self._closing = False
        self._held = False
        self._thread = threading.Thread(target=self._run, name=f"log {folder.name}", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def wake(self) -> None:
        """Tell the thread that there is something to write."""
        with self._state:
            self._wakes += 1
            self._state.notify_all()

    def hold(self, held: bool) -> None:
        """While held, write nothing, as if the disk were full."""
        with self._state:
            self._held = held
            self._wakes += 1
            self._urgent = self._urgent or not held
            self._state.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until all events so far are on disk. Returns False if they are not after `timeout` seconds."""
        with self._state:
            self._wakes += 1
            goal = self._wakes
            self._urgent = True
            self._state.notify_all()
            self._state.wait_for(lambda: self._served >= goal or not self._thread.is_alive(), timeout)
            return self._served >= goal and not self._failing

    def close(self, timeout: float = 2.0) -> bool:
        """Write the remaining events and end the thread. Returns whether everything is on disk."""
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
                self._state.wait_for(lambda: self._closing or self._wakes > self._served, self._pause())
                goal, closing = self._wakes, self._closing
            try:
                self._write(last=closing)
                failing = False
            except (OSError, ValueError) as error:
                failing = True
                self._give_up_file()
                if not self._failing:
                    self._on_trouble(
                        f"The conversation cannot be written to {self._folder}: {error}."
                        " It continues in memory and will be written as soon as possible. Check the disk."
                    )
            with self._state:
                self._failing = failing
                self._served = goal
                self._urgent = self._urgent and self._wakes > goal
                self._state.notify_all()
                if failing and not closing:  # new events are no reason to retry sooner
                    self._state.wait_for(lambda: self._closing or self._urgent, RETRY_EVERY)
            if closing:
                self._give_up_file()
                return

    def _pause(self) -> float | None:
        if self._failing:
            return 0.0
        return None if self._sync_at is None else max(0.0, self._sync_at - monotonic())

    def _write(self, *, last: bool) -> None:
        if self._held:
            raise OSError(errno.ENOSPC, "too little space is left")
        file = self._opened()
        events, manifest = self._source(self._written)
        if events:
            data = b"".join(map(line_of, events))
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            self._size += len(data)
            self._written += len(events)
            if self._sync_at is None:
                self._sync_at = monotonic() + SYNC_EVERY
        if self._sync_at is not None and (last or monotonic() >= self._sync_at):
            os.fsync(file.fileno())
            self._sync_at = None
        if manifest is not self._manifest:
            self._write_manifest(manifest)
            self._manifest = manifest

    def _opened(self) -> FileIO:
        if self._file is not None and os.fstat(self._file.fileno()).st_nlink > 0:
            return self._file
        self._give_up_file()  # the file was deleted
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "events.jsonl"
        try:
            file = self._file = open(path, "ab", buffering=0, opener=self._open)  # noqa: SIM115
        except FileExistsError:
            reason = "it belongs to another conversation; choose another folder"
            raise FileExistsError(errno.EEXIST, reason, str(path)) from None
        self._begun = True
        if os.fstat(file.fileno()).st_size < self._size:  # rewrite all of it from memory
            self._written = self._size = 0
            self._manifest = None
        file.truncate(self._size)
        return file

    def _open(self, path: str, flags: int) -> int:
        return open_file(path, flags if self._begun else flags | os.O_EXCL)

    def _write_manifest(self, manifest: Manifest) -> None:
        if not manifest.software:
            manifest = manifest.model_copy(update={"software": software_versions()})
        partial = self._folder / ".manifest.json.part"
        text = manifest.model_dump_json(indent=2) + "\n"
        with open(partial, "wb", opener=open_file) as file:
            file.write(text.encode("utf-8", "replace"))
        partial.replace(self._folder / "manifest.json")

    def _give_up_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                self._sync_at = monotonic()
