"""One worker process, and the pipes to it."""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections import deque

from voicebot.clock import monotonic

log = logging.getLogger(__name__)


class CommandPipe:
    """Writes to the worker from a thread, so that queued audio gets there while a cell blocks the loop."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.waiting = 0
        """Bytes that are not written yet."""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._write, name="media-commands", daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        """Queue bytes. Never blocks."""
        with self._lock:
            self.waiting += len(data)
        self._queue.put(data)

    def end(self) -> None:
        """Close the pipe after everything that is queued."""
        self._queue.put(None)

    def _write(self) -> None:
        with self._sock, contextlib.suppress(OSError):
            while (data := self._queue.get()) is not None:
                self._sock.sendall(data)
                with self._lock:
                    self.waiting -= len(data)


class MediaWorker:
    """A running media worker."""

    def __init__(self, vad: str, log_level: str) -> None:
        """Start the process. Raises OSError if the machine has no process or socket left."""
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            pipes = [socket.socketpair() for _ in range(2)]
            for here, there in pipes:
                ours.enter_context(here)
                theirs.enter_context(there)
            ends = [there.fileno() for _, there in pipes]
            command = [sys.executable, "-m", "voicebot.media.process.worker", *map(str, ends), vad, log_level]
            self.process = subprocess.Popen(
                command,
                pass_fds=ends,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # the interrupt of a notebook must not reach it
            )
            ours.pop_all()
        (commands, _), (self.notices, _) = pipes
        self.commands = CommandPipe(commands)
        self.began = monotonic()
        self._last_words: deque[str] = deque(maxlen=30)
        self._errors = threading.Thread(target=self._read_errors, name="media-stderr", daemon=True)
        self._errors.start()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                self._last_words.append(text)
                log.warning("media worker: %s", text)

    def wait(self, timeout: float) -> str:
        """Wait for the process to end, and kill it after `timeout` seconds; returns how it ended. Blocks."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._errors.join(1.0)
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"{how}: {self._last_words[-1]}" if code and self._last_words else how
