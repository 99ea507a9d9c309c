"""Run one shared model in batches, in one thread, urgent jobs first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")
Work = Callable[[Sequence[Job], Callable[[], bool]], Sequence[Result] | None]

IDLE = 2.0
"""After patient work the model stays idle this many times as long as the work took. Urgent work then seldom
finds it busy, and waits for one batch at most."""


@dataclass
class _Request(Generic[Job, Result]):
    take: Callable[[], Job | None]
    result: asyncio.Future[Result | None]
    job: Job | None = None


class Batcher(Generic[Job, Result]):
    """An urgent and a patient queue for one worker thread. Use it on one event loop.

    Args:
        work: called in the thread with the jobs of one batch and `give_up`; it returns their results in
            order. If `give_up()` turns true between two steps, it may return None.
        kind: the jobs of a batch all have the same kind.
        batch, patient_batch: the most urgent, or patient, jobs in one batch.
        too_long: seconds; while a job takes longer than this, patient requests wait.
    """

    def __init__(
        self,
        work: Work[Job, Result],
        *,
        name: str,
        kind: Callable[[Job], Hashable],
        batch: int,
        patient_batch: int,
        too_long: float,
    ) -> None:
        self._work, self._kind, self._too_long = work, kind, too_long
        self._batch, self._patient_batch = batch, patient_batch
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._urgent: list[_Request[Job, Result]] = []
        self._patient: list[_Request[Job, Result]] = []
        self._serving: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._patient_from = 0.0
        self.cost = 0.0
        """Seconds per job of the latest batch."""

    @property
    def waiting(self) -> int:
        """Urgent requests in the queue."""
        return sum(not request.result.done() for request in self._urgent)

    def urgent(self, job: Job) -> asyncio.Future[Result | None]:
        """Run `job` as soon as possible. Cancelling the future removes the job from the queue."""
        return self._add(self._urgent, lambda: job)

    def patient(self, take: Callable[[], Job | None]) -> asyncio.Future[Result | None]:
        """Run the job that `take()` returns when its turn comes, which may be never.

        The result is None if `take()` returns no job, or if the work was interrupted by an urgent job.
        """
        return self._add(self._patient, take)

    async def aclose(self, last: Callable[[], None], error: Exception) -> None:
        """Call `last` in the thread after the current batch; waiting requests fail with `error`."""
        for request in (*self._urgent, *self._patient):
            if not request.result.done():
                request.result.set_exception(error)
                request.result.exception()  # nobody may be waiting for an interim decode
        self._urgent.clear()
        self._patient.clear()
        if self._timer is not None:
            self._timer.cancel()
        ending = asyncio.get_running_loop().run_in_executor(self._thread, last)
        self._thread.shutdown(wait=False)
        await ending

    def _add(
        self, queue: list[_Request[Job, Result]], take: Callable[[], Job | None]
    ) -> asyncio.Future[Result | None]:
        request: _Request[Job, Result] = _Request(take, asyncio.get_running_loop().create_future())
        queue[:] = [*(other for other in queue if not other.result.done()), request]
        self._wake()
        return request.result

    def _wake(self) -> None:
        if self._serving is None:
            self._serving = asyncio.get_running_loop().create_task(self._serve(), name="batches")

    async def _serve(self) -> None:
        try:
            while True:
                if batch := self._take(self._urgent, self._batch):
                    await self._run(batch, lambda: False)
                elif self._may_be_patient() and (batch := self._take(self._patient, self._patient_batch)):
                    await self._run(batch, lambda: self.waiting > 0)
                    self._patient_from = asyncio.get_running_loop().time() + IDLE * self.cost * len(batch)
                else:
                    return
        finally:
            self._serving = None

    def _may_be_patient(self) -> bool:
        loop = asyncio.get_running_loop()
        wait = self._patient_from - loop.time()
        if wait > 0 and self._patient and self._timer is None:
            self._timer = loop.call_later(wait, self._timed)
        return wait <= 0 and self.cost <= self._too_long

    def _timed(self) -> None:
        self._timer = None
        self._wake()

    def _take(self, queue: list[_Request[Job, Result]], most: int) -> list[_Request[Job, Result]]:
        batch: list[_Request[Job, Result]] = []
        for request in list(queue):
            if request.result.done():  # cancelled
                queue.remove(request)
                continue
            if request.job is None:
                request.job = request.take()
            if request.job is None:
                request.result.set_result(None)
                queue.remove(request)
            elif not batch or self._kind(request.job) == self._kind(_job(batch[0])):
                batch.append(request)
                queue.remove(request)
            if len(batch) == most:
                break
        return batch

    async def _run(self, batch: list[_Request[Job, Result]], give_way: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()

        def give_up() -> bool:
            return give_way() or all(request.result.done() for request in batch)

        try:
            jobs = [_job(request) for request in batch]
            results = await loop.run_in_executor(self._thread, self._work, jobs, give_up)
        except Exception as error:
            for request in batch:
                if not request.result.done():
                    request.result.set_exception(error)
                    request.result.exception()  # nobody may be waiting for an interim decode
            return
        finally:
            self.cost = (loop.time() - begun) / len(batch)
        for number, request in enumerate(batch):
            if not request.result.done():
                request.result.set_result(None if results is None else results[number])


def _job(request: _Request[Job, Result]) -> Job:
    assert request.job is not None
    return request.job
