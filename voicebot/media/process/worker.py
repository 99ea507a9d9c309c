"""The media worker: the engine alone in a process, so that no cell can silence it.

Started by `ProcessMediaPlane` as `python -m voicebot.media.process.worker COMMANDS NOTICES VAD LEVEL`
with two inherited sockets. It ends when its commands end, ignores SIGINT (a notebook's
interrupt goes to the whole process group) and finishes its recordings on the way out.
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
from voicebot.logs import set_levels, structured_exception
from voicebot.media.base import Answer, MediaStats, Notice, SpeechAudio
from voicebot.media.engine import Engine
from voicebot.media.process.coalescing import CoalescingSelector
from voicebot.media.process.wire import FromWorker, Log, Reply, Request, ToWorker, WorkerReady, pack, receive
from voicebot.registry import load_backend
from voicebot.settings import find_home, load_settings
from voicebot.vad.base import VAD

log = logging.getLogger(__name__)

CHATTER_LIMIT = 512 * 1024
"""Bytes waiting for a handle that does not read (a blocked cell) before statistics and logs are left out."""
SPEECH_LIMIT = 32 * 1024 * 1024
"""Bytes waiting before speech is left out too: a quarter of an hour of one person."""
CLOSE_TIMEOUT = 5.0
_plain = logging.Formatter()


class _Outbox:
    """Messages to the handle; never blocks, bounded."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._transport = writer.transport
        self._left_out = 0

    def send(self, message: FromWorker) -> None:
        waiting = self._transport.get_write_buffer_size()
        if waiting > CHATTER_LIMIT and isinstance(message, MediaStats | Log):
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
    """Log records go to the handle's process."""

    def __init__(self, outbox: _Outbox) -> None:
        super().__init__()
        self._outbox = outbox
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info if record.exc_info and record.exc_info[1] is not None else None
        message = Log(
            record.levelno,
            record.name,
            record.getMessage(),
            record.created,
            _plain.formatException(error) if error else "",
            structured_exception((error[0], error[1], error[2])) if error else None,
        )
        # threads log too; nothing may be raised here when the loop is over
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._outbox.send, message)


class Worker:
    """Carries out commands in the order they come; answers run beside them."""

    def __init__(self, engine: Engine, outbox: _Outbox) -> None:
        self._engine = engine
        self._outbox = outbox
        self._answers: set[asyncio.Task[None]] = set()

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Until the commands end."""
        while (message := cast("ToWorker | None", await receive(reader))) is not None:
            if isinstance(message, Request):
                task = asyncio.create_task(self._answer(message), name=f"answer {message.number}")
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)
                await asyncio.sleep(0)  # it begins before the next command is looked at
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
    """Work until `commands` ends."""
    reader, commands_writer = await asyncio.open_unix_connection(sock=commands)
    _, writer = await asyncio.open_unix_connection(sock=notices)
    outbox = _Outbox(writer)
    logging.basicConfig(handlers=[_Forward(outbox)])
    set_levels(level)

    def notify(notice: Notice) -> None:
        outbox.send(notice)

    backend = await load_backend("vad", vad, load_settings(find_home() / ".env"))
    engine = Engine(notify, vad=cast(VAD, backend))
    gc.collect()
    gc.freeze()  # what was imported need never be looked at by the collector again
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
    os._exit(0)  # a library's thread that lingers must not keep the process


if __name__ == "__main__":
    main(sys.argv[1:])
