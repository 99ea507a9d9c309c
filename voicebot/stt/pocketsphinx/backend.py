"""The embedded speech-to-text backend: English, offline, in a small pool of worker processes."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
from collections import deque
from typing import Self

import numpy as np
from numpy.typing import NDArray

from voicebot.errors import MissingDependency, ModelFailed, ModelLoadError, UnknownModel
from voicebot.registry import Availability, Progress, no_progress
from voicebot.settings import Settings
from voicebot.stt.base import STT_RATE, TimedWord, Transcription
from voicebot.stt.pocketsphinx import worker as wire
from voicebot.stt.pocketsphinx.worker_process import WorkerProcess
from voicebot.tasks import cancel

log = logging.getLogger(__name__)

FINISH_TIMEOUT = 25.0
"""Seconds for a final result after which a worker counts as hung; listeners give up after 30."""
INSTALL = "pip install pocketsphinx (there are wheels for Python 3.11 to 3.13, but not for 3.12 on ARM Linux)"
MAX_UTTERANCE = 120 * STT_RATE
"""Samples of an utterance that are kept while every worker is busy."""


class PocketSphinxStream:
    """One utterance; it waits for a worker of the pool, which then decodes it as it comes in."""

    def __init__(self, pool: PocketSphinxSTT, number: int) -> None:
        self._pool = pool
        self.number = number
        self.worker: WorkerProcess | None = None
        self.result: asyncio.Future[Transcription] = asyncio.get_running_loop().create_future()
        self._held: list[bytes] = []
        self._held_samples = 0
        self._interim: Transcription | None = None
        self._drafts: deque[asyncio.Future[Transcription]] = deque()
        self._finishing = False

    def push(self, pcm: NDArray[np.int16]) -> None:
        if self._finishing or self.result.done():
            return
        data = np.ascontiguousarray(pcm, np.int16).tobytes()
        if self.worker is not None:
            self.worker.send(wire.AUDIO, self.number, data)
            return
        self._held_samples += len(pcm)
        if self._held_samples > MAX_UTTERANCE:
            self.fail(
                ModelFailed(
                    "More people are speaking at once than pocketsphinx can follow.",
                    hint="Use a faster STT model, or a machine with more cores.",
                )
            )
        else:
            self._held.append(data)

    def interim(self) -> Transcription | None:
        return self._interim

    async def draft(self) -> Transcription:
        """Run the accurate pass and return what `finish` would return now, which reuses it after silence."""
        if self._finishing or self.result.done():
            return await asyncio.shield(self.result)
        draft: asyncio.Future[Transcription] = asyncio.get_running_loop().create_future()
        self._drafts.append(draft)
        if self.worker is not None:
            self.worker.send(wire.DRAFT, self.number)
        return await draft

    async def finish(self) -> Transcription:
        self._finishing = True
        if self.worker is not None:
            self.worker.send(wire.FINISH, self.number)
        try:
            async with asyncio.timeout(self._pool.finish_timeout):
                return await asyncio.shield(self.result)
        except TimeoutError:
            self._pool.kill_worker_of(self)
            seconds = self._pool.finish_timeout
            raise ModelFailed(
                f"pocketsphinx returned no result within {seconds:g} s.",
                hint="If this happens often, set another STT_MODEL, or use a faster machine.",
            ) from None
        except asyncio.CancelledError:  # nobody waits any more, and it may hang
            self._pool.kill_worker_of(self)
            raise
        finally:
            self.cancel()

    def cancel(self) -> None:
        self._finishing = True
        for future in (self.result, *self._drafts):
            future.cancel()
        self._held.clear()
        self._pool.release(self)

    # ------------------------------------------------------------ for the pool

    def attach(self, worker: WorkerProcess) -> None:
        """Assign the utterance to a worker and send what was kept so far."""
        self.worker = worker
        worker.send(wire.BEGIN, self.number)
        for data in self._held:
            worker.send(wire.AUDIO, self.number, data)
        self._held.clear()
        for _ in self._drafts:
            worker.send(wire.DRAFT, self.number)
        if self._finishing:
            worker.send(wire.FINISH, self.number)

    def fail(self, error: Exception) -> None:
        for future in (self.result, *self._drafts):
            if not future.done():
                future.set_exception(error)
                future.exception()  # mark it as retrieved: nobody may be waiting

    def on_message(self, kind: bytes, payload: bytes) -> None:
        if kind == wire.FAILED:
            self.fail(ModelFailed(f"pocketsphinx failed: {payload.decode(errors='replace')}."))
            return
        words = tuple(TimedWord(*word) for word in json.loads(payload))
        heard = Transcription(" ".join(word.text for word in words), words, "en")
        if kind in (wire.PARTIAL, wire.DRAFTED):
            self._interim = heard
        if kind == wire.DRAFTED:
            draft = self._drafts.popleft()
            if not draft.done():
                draft.set_result(heard)
        elif kind == wire.FINAL and not self.result.done():
            self.result.set_result(heard)


class PocketSphinxSTT:
    """CMU PocketSphinx with the US English model of its wheel.

    A worker process decodes one utterance at a time; more are started if several people speak at once.
    If a worker dies, its utterance fails (ModelFailed) and the worker is replaced.
    """

    def __init__(self, *, max_workers: int | None = None, finish_timeout: float = FINISH_TIMEOUT) -> None:
        self.name = "pocketsphinx:en-us"
        self.finish_timeout = finish_timeout
        self._max_workers = max_workers or max(2, min(4, os.cpu_count() or 1))
        self._workers: set[WorkerProcess] = set()
        self._idle: list[WorkerProcess] = []
        self._streams: dict[WorkerProcess, PocketSphinxStream] = {}
        self._waiting: deque[PocketSphinxStream] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = 0
        self._count = 0
        self._closed = False

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return ("en-us",)

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        if importlib.util.find_spec("pocketsphinx") is None:
            return Availability("missing", "pocketsphinx is not installed", INSTALL)
        if settings.stt_language not in ("", "en"):
            return Availability(
                "missing",
                f"pocketsphinx understands English only, and STT_LANGUAGE is {settings.stt_language}",
                "Set STT_MODEL=faster-whisper:small, or remove STT_LANGUAGE from .env",
            )
        return Availability("ready", "built in, English only, works offline")

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        if model not in ("", "en-us"):
            raise UnknownModel(
                f"pocketsphinx has no model {model!r}.", hint="It has one: pocketsphinx:en-us."
            )
        found = cls.availability(model, settings)
        if found.status == "missing":
            kind = ModelLoadError if found.hint != INSTALL else MissingDependency
            raise kind(f"{found.reason}.", hint=f"{found.hint}.")
        progress("Starting pocketsphinx", None)
        self = cls()
        try:
            self._add(await WorkerProcess.start(wire.__file__, self._on_message, self._on_exit))
        except BaseException:
            await self.aclose()
            raise
        progress("pocketsphinx is ready", 1.0)
        return self

    def stream(self) -> PocketSphinxStream:
        """Begin an utterance, on the event loop. It understands only English."""
        if self._closed:
            raise ModelFailed("This pocketsphinx was closed.", retryable=False)
        self._count += 1
        stream = PocketSphinxStream(self, self._count)
        self._waiting.append(stream)
        self._serve_waiting()
        return stream

    async def aclose(self) -> None:
        self._closed = True
        await cancel(self._tasks)
        for stream in [*self._waiting, *self._streams.values()]:
            stream.fail(ModelFailed("The speech recogniser was closed.", retryable=False))
        self._waiting.clear()
        await asyncio.gather(*(worker.aclose() for worker in list(self._workers)))
        self._workers.clear()

    # ------------------------------------------------------------ the pool

    @property
    def waiting(self) -> int:
        """The number of utterances that wait for a worker."""
        return len(self._waiting)

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Process ids of the running workers."""
        return tuple(sorted(worker.pid for worker in self._workers))

    def release(self, stream: PocketSphinxStream) -> None:
        """End a stream; its worker takes the next one."""
        worker = stream.worker
        if worker is None:
            if stream in self._waiting:
                self._waiting.remove(stream)
        elif self._streams.get(worker) is stream:
            del self._streams[worker]
            if worker.killed:  # its exit makes room for another one
                return
            worker.send(wire.CANCEL, stream.number)
            self._idle.append(worker)
            self._serve_waiting()

    def kill_worker_of(self, stream: PocketSphinxStream) -> None:
        """End the worker of this stream, unless it has answered or serves another stream."""
        worker = stream.worker
        if worker is not None and not stream.result.done() and self._streams.get(worker) is stream:
            worker.kill()

    def _add(self, worker: WorkerProcess) -> None:
        self._workers.add(worker)
        self._idle.append(worker)
        self._serve_waiting()

    def _serve_waiting(self) -> None:
        while self._waiting and self._idle:
            worker, stream = self._idle.pop(), self._waiting.popleft()
            self._streams[worker] = stream
            stream.attach(worker)
        wanted = min(len(self._waiting), self._max_workers - len(self._workers))
        while self._starting < wanted and not self._closed:
            self._start_worker()

    def _start_worker(self) -> None:
        self._starting += 1
        task = asyncio.create_task(self._run_start(), name="pocketsphinx-worker-start")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_start(self) -> None:
        try:
            worker = await WorkerProcess.start(wire.__file__, self._on_message, self._on_exit)
        except ModelLoadError as error:
            log.error("%s", error)
            if not self._workers:  # no worker is left to serve them
                while self._waiting:
                    self._waiting.popleft().fail(ModelFailed(error.message, hint=error.hint))
            return
        finally:
            self._starting -= 1
        self._add(worker)

    def _on_message(self, worker: WorkerProcess, kind: bytes, number: int, payload: bytes) -> None:
        stream = self._streams.get(worker)
        if stream is not None and stream.number == number:
            stream.on_message(kind, payload)

    def _on_exit(self, worker: WorkerProcess, reason: str) -> None:
        self._workers.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        stream = self._streams.pop(worker, None)
        if stream is not None:
            stream.fail(
                ModelFailed(f"The speech recogniser stopped ({reason}); what was being said is lost.")
            )
        if not self._closed:
            log.warning("A pocketsphinx worker ended: %s. A new one is started.", reason)
            if not self._workers and not self._starting:
                self._start_worker()
            self._serve_waiting()
