"""The media worker: the engine in a process of its own, so that no notebook cell can silence it.

`ProcessMediaPlane` starts it as `python -m voicebot.media.process.worker COMMANDS NOTICES VAD LEVEL`,
with two inherited sockets. It ends when its commands end, ignores SIGINT (a notebook's interrupt goes
to the whole process group) and finishes its recordings before it exits.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
from typing import cast

from voicebot.errors import MediaError, VoicebotError
from voicebot.logs import EXCEPTION, SOURCE, set_levels, structured_exception
from voicebot.media.base import Answer, MediaStats, SpeechAudio
from voicebot.media.engine import Engine
from voicebot.media.process.coalescing import CoalescingSelector
from voicebot.media.process.wire import FromWorker, Reply, Request, ToWorker, WorkerReady, pack, receive
from voicebot.registry import load_backend
from voicebot.settings import find_home, load_settings
from voicebot.vad.base import VAD

log = logging.getLogger(__name__)

CHATTER_LIMIT = 512 * 1024
"""Bytes that the parent has not read (a cell blocks it) above which statistics and logs are dropped."""
SPEECH_LIMIT = 32 * 1024 * 1024
"""Bytes above which speech is dropped, too: a quarter of an hour of one person."""
CLOSE_TIMEOUT = 5.0
_plain = logging.Formatter()


class _Outbox:
    """The bounded queue of messages to the parent process. Never blocks."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._transport = writer.transport
        self._left_out = 0

    def send(self, message: FromWorker) -> None:
        waiting = self._transport.get_write_buffer_size()
        if waiting > CHATTER_LIMIT and isinstance(message, MediaStats | logging.LogRecord):
            return
        if waiting > SPEECH_LIMIT and isinstance(message, SpeechAudio):
            self._left_out += 1
            return
        if self._left_out and waiting <= CHATTER_LIMIT:
            log.warning("%d pieces of speech are lost: nobody read them in time", self._left_out)
            self._left_out = 0
        if not self._transport.is_closing():
            self._transport.write(pack(message))


class _Forward(logging.Handler):
    """Sends log records to the parent process."""

    def __init__(self, outbox: _Outbox) -> None:
        super().__init__()
        self._outbox = outbox
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info if record.exc_info and record.exc_info[1] is not None else None
        fields = {
            "name": record.name,
            "levelno": record.levelno,
            "levelname": record.levelname,
            "msg": record.getMessage(),
            "created": record.created,
            "exc_text": _plain.formatException(error) if error else None,
            EXCEPTION: structured_exception((error[0], error[1], error[2])) if error else None,
            SOURCE: "media worker",
        }
        # threads log, too, perhaps after the loop has ended
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._outbox.send, logging.makeLogRecord(fields))


class Worker:
    """Carries out commands in order, and answers offers concurrently."""

    def __init__(self, engine: Engine, outbox: _Outbox) -> None:
        self._engine = engine
        self._outbox = outbox
        self._answers: set[asyncio.Task[None]] = set()

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Run until the commands end."""
        while (message := cast("ToWorker | None", await receive(reader))) is not None:
            if isinstance(message, Request):
                task = asyncio.create_task(self._answer(message), name=f"answer {message.number}")
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)
                await asyncio.sleep(0)  # it begins before the next command
                continue
            try:
                self._engine.carry_out(message)
            except Exception:  # one bad command must not end the process
                log.exception("%s failed", type(message).__name__)

    async def _answer(self, request: Request) -> None:
        answer: Answer | VoicebotError
        try:
            answer = await self._engine.answer(request.offer)
        except VoicebotError as error:
            answer = error
        except Exception as error:
            log.exception("an offer could not be answered")
            answer = MediaError(f"The offer cannot be answered: {error!r}.")
        self._outbox.send(Reply(request.number, answer))


async def serve(commands: socket.socket, notices: socket.socket, vad: str, level: str) -> None:
    """Run until `commands` ends."""
    reader, commands_writer = await asyncio.open_unix_connection(sock=commands)
    _, writer = await asyncio.open_unix_connection(sock=notices)
    outbox = _Outbox(writer)
    logging.basicConfig(handlers=[_Forward(outbox)])
    set_levels(level)

    backend = await load_backend("vad", vad, load_settings(find_home() / ".env"))
    engine = Engine(outbox.send, vad=cast(VAD, backend))
    gc.collect()
    gc.freeze()  # the collector need not look at the imported modules again
    outbox.send(WorkerReady())
    await Worker(engine, outbox).run(reader)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await engine.aclose()
    commands_writer.close()
    writer.close()


def main(arguments: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    commands, notices, vad, level = arguments
    ends = socket.socket(fileno=int(commands)), socket.socket(fileno=int(notices))
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(CoalescingSelector())) as runner:
        runner.run(serve(*ends, vad, level))
    sys.stderr.flush()
    os._exit(0)  # a thread of a library must not keep the process alive


if __name__ == "__main__":
    main(sys.argv[1:])
