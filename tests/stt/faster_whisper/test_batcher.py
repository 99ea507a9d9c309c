from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from voicebot.stt.faster_whisper.batcher import IDLE, Batcher


class Works:
    """Doubles numbers once the gate is open, and keeps what it was given together."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.given: list[list[int]] = []
        self.gave_up: list[bool] = []

    def __call__(self, jobs: Sequence[int], give_up: Callable[[], bool]) -> list[int] | None:
        self.given.append(list(jobs))
        self.begun.set()
        assert self.gate.wait(20)
        self.gave_up.append(give_up())
        return None if self.gave_up[-1] else [2 * job for job in jobs]

    def batcher(self, *, batch: int = 4, too_long: float = 60.0) -> Batcher[int, int]:
        def kind(job: int) -> bool:
            return job < 100

        return Batcher(self, name="test", kind=kind, batch=batch, patient_batch=1, too_long=too_long)

    async def busy(self) -> None:
        await asyncio.to_thread(self.begun.wait, 20)
        self.begun.clear()


class Failed(Exception):
    pass


async def close(batcher: Batcher[int, int]) -> None:
    await batcher.aclose(lambda: None, Failed())


async def test_waiting_jobs_of_one_kind_form_a_batch() -> None:
    works = Works()
    works.gate.clear()
    batcher = works.batcher()
    results = [batcher.urgent(1)]
    await works.busy()
    results += [batcher.urgent(job) for job in (2, 200, 3, 4, 300, 5, 6)]
    assert batcher.waiting == 7
    works.gate.set()
    assert await asyncio.gather(*results) == [2, 4, 400, 6, 8, 600, 10, 12]
    assert works.given == [[1], [2, 3, 4, 5], [200, 300], [6]]
    await close(batcher)


async def test_urgent_jobs_go_first_and_patient_ones_give_way() -> None:
    works = Works()
    works.gate.clear()
    batcher = works.batcher()
    partial = batcher.patient(lambda: 1)
    await works.busy()
    later = batcher.patient(lambda: 2)
    final = batcher.urgent(3)
    works.gate.set()
    assert await final == 6
    assert await partial is None  # given up between its steps
    assert await later == 4
    assert works.given == [[1], [3], [2]]
    assert works.gave_up == [True, False, False]
    await close(batcher)


async def test_a_patient_request_supplies_its_job_when_its_turn_comes() -> None:
    works = Works()
    works.gate.clear()
    batcher = works.batcher()
    first = batcher.urgent(1)
    await works.busy()
    newest = 2
    partial, nothing = batcher.patient(lambda: newest), batcher.patient(lambda: None)
    newest = 7
    works.gate.set()
    assert (await first, await partial, await nothing) == (2, 14, None)
    assert works.given == [[1], [7]]
    await close(batcher)


async def test_patient_requests_have_a_batch_size_of_their_own() -> None:
    works = Works()
    works.gate.clear()
    batcher = works.batcher()
    first = batcher.urgent(1)
    await works.busy()
    partials = [batcher.patient(lambda job=job: job) for job in (2, 3)]  # type: ignore[misc]
    works.gate.set()
    assert await asyncio.gather(first, *partials) == [2, 4, 6]
    assert works.given == [[1], [2], [3]]
    await close(batcher)


async def test_the_model_rests_after_patient_work(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    now, timers = 0.0, []
    monkeypatch.setattr(loop, "time", lambda: now)
    monkeypatch.setattr(loop, "call_later", lambda delay, call: timers.append((delay, call)))
    works = Works()
    works.gate.clear()
    batcher = works.batcher()
    partial = batcher.patient(lambda: 1)
    await works.busy()
    now = 0.5
    works.gate.set()
    await partial
    later = batcher.patient(lambda: 2)
    assert await batcher.urgent(3) == 6  # urgent ones do not wait
    assert not later.done()
    ((delay, call),) = timers
    assert delay == IDLE * 0.5
    now += delay
    call()
    assert await later == 4


async def test_patient_requests_wait_while_the_model_is_too_slow() -> None:
    works = Works()
    batcher = works.batcher(too_long=0.0)  # nothing is that quick
    assert await batcher.patient(lambda: 1) == 2
    later = batcher.patient(lambda: 2)
    assert await batcher.urgent(3) == 6
    assert not later.done()
    assert works.given == [[1], [3]]
    await close(batcher)
    assert isinstance(later.exception(), Failed)


async def test_work_that_nobody_waits_for_is_skipped_or_cancelled() -> None:
    works = Works()
    works.gate.clear()
    batcher = works.batcher()
    running = batcher.urgent(1)
    await works.busy()
    queued, last = batcher.urgent(2), batcher.urgent(3)
    running.cancel()
    queued.cancel()
    works.gate.set()
    assert await last == 6
    assert (works.given, works.gave_up) == ([[1], [3]], [True, False])
    await close(batcher)


async def test_a_failure_affects_only_its_batch() -> None:
    def fails(jobs: Sequence[int], give_up: Callable[[], bool]) -> list[int]:
        if 1 in jobs:
            raise RuntimeError("scripted")
        return [2 * job for job in jobs]

    batcher: Batcher[int, int] = Batcher(
        fails, name="test", kind=lambda job: job, batch=4, patient_batch=1, too_long=60.0
    )
    one, two = batcher.urgent(1), batcher.urgent(2)
    with pytest.raises(RuntimeError, match="scripted"):
        await one
    assert await two == 4
    await close(batcher)


async def test_closing_waits_for_the_running_batch_and_fails_the_rest() -> None:
    works = Works()
    works.gate.clear()
    batcher = works.batcher()
    running = batcher.urgent(1)
    await works.busy()
    queued = batcher.urgent(2)
    order: list[str] = []
    closing = asyncio.ensure_future(batcher.aclose(lambda: order.append("last"), Failed()))
    with pytest.raises(Failed):
        await queued
    assert order == []
    works.gate.set()
    await closing
    assert await running == 2
    assert order == ["last"]
