"""A child process that exchanges framed messages over a socket; see `worker`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import BinaryIO, Self

from voicebot.errors import ModelLoadError
from voicebot.stt.pocketsphinx.worker import HEADER, READY

START_TIMEOUT = 60.0
"""Seconds a worker may take to load its model."""
INSTEAD = "Reinstall pocketsphinx, or set STT_MODEL to another model."

OnMessage = Callable[["WorkerProcess", bytes, int, bytes], None]
OnExit = Callable[["WorkerProcess", str], None]


class WorkerProcess:
    """A running worker. Callbacks run on the loop that started it; `on_exit` once, if it had become ready."""

    def __init__(
        self, process: subprocess.Popen[bytes], stderr: BinaryIO, on_message: OnMessage, on_exit: OnExit
    ) -> None:
        self._process = process
        self._stderr = stderr
        self._on_message = on_message
        self._on_exit = on_exit
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self.killed = False

    @classmethod
    async def start(
        cls, program: str, on_message: OnMessage, on_exit: OnExit, *, within: float = START_TIMEOUT
    ) -> Self:
        """Start `program` (a file) and wait until it reports ready. Raises ModelLoadError."""
        ours, theirs = socket.socketpair()
        stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed in aclose
        try:
            with theirs:
                # blocks for the few ms of fork and exec; -P: the program's own folder must not
                # shadow installed packages
                process = subprocess.Popen(  # noqa: ASYNC220
                    [sys.executable, "-P", program],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    start_new_session=True,
                )
        except BaseException as error:
            ours.close()
            stderr.close()
            if isinstance(error, OSError):
                raise ModelLoadError(
                    f"The recogniser's process cannot be started: {error}.", hint=INSTEAD
                ) from error
            raise
        self = cls(process, stderr, on_message, on_exit)
        try:
            reader, self._writer = await asyncio.open_connection(sock=ours)
            async with asyncio.timeout(within):
                kind, _, _ = await self._receive(reader)
            if kind != READY:
                raise ModelLoadError(
                    f"The recogniser's process sent {kind!r}, and did not become ready.", hint=INSTEAD
                )
        except TimeoutError:
            await self.aclose()
            raise ModelLoadError(
                f"The recogniser's process was not ready within {within:g} s.", hint=INSTEAD
            ) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            self.kill()
            reason = await self._reason()
            await self.aclose()
            raise ModelLoadError(
                f"The recogniser's process did not become ready: {reason}.", hint=INSTEAD
            ) from None
        except BaseException:
            await self.aclose()
            raise
        self._reading = asyncio.create_task(self._read(reader), name=f"recogniser-{process.pid}")
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, kind: bytes, number: int, payload: bytes = b"") -> None:
        """Queue a message; a dead worker drops it."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(HEADER.pack(kind, number, len(payload)) + payload)

    def kill(self) -> None:
        """Kill the process; `on_exit` follows."""
        self.killed = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def aclose(self) -> None:
        """Kill the process and free its resources. Safe to call twice."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer is not None:
            self._writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()
        self.kill()
        await asyncio.to_thread(self._process.wait)
        self._stderr.close()

    @staticmethod
    async def _receive(reader: asyncio.StreamReader) -> tuple[bytes, int, bytes]:
        kind, number, length = HEADER.unpack(await reader.readexactly(HEADER.size))
        return kind, number, await reader.readexactly(length)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self._on_message(self, *await self._receive(reader))
        self.kill()
        reason = await self._reason()
        if self._writer is not None:
            self._writer.transport.abort()
        self._stderr.close()
        self._on_exit(self, reason)

    async def _reason(self) -> str:
        """Why the process ended, in one line."""
        code = await asyncio.to_thread(self._process.wait)
        self._stderr.seek(0)
        said = self._stderr.read()[-2000:].decode(errors="replace").strip().splitlines()
        if said:
            return said[-1].rstrip(".")
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
