from __future__ import annotations

import asyncio
import os
import selectors

import pytest

from voicebot.media.process.coalescing import BUSY, GATHER, LOOK, CoalescingSelector


class Clockwork:
    """A clock that moves only by sleeping."""

    def __init__(self) -> None:
        self.now = 5.0
        self.slept: list[float] = []

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def woken(selector: CoalescingSelector, clock: Clockwork, rate: float) -> None:
    """Wake the selector at this rate (events per second) for a while."""
    for _ in range(int(rate * LOOK * 1.1) + 1):
        clock.now += 1 / rate
        selector.select(0)


def test_a_busy_loop_collects_events_and_a_calm_one_returns_at_once() -> None:
    clock = Clockwork()
    selector = CoalescingSelector(clock.time, clock.sleep)
    read, write = os.pipe()
    selector.register(read, selectors.EVENT_READ)
    os.write(write, b"x")
    woken(selector, clock, BUSY / 2)
    assert not selector.busy
    assert len(selector.select(None)) == 1
    assert clock.slept == []
    woken(selector, clock, BUSY * 2)
    assert selector.busy
    assert len(selector.select(None)) == 1
    assert sum(clock.slept) <= GATHER
    before = clock.now
    assert len(selector.select(None)) == 1
    assert clock.now - before == pytest.approx(GATHER)
    woken(selector, clock, BUSY / 2)
    assert not selector.busy
    for end in (read, write):
        os.close(end)
    selector.close()


def test_due_timers_are_not_delayed() -> None:
    clock = Clockwork()
    selector = CoalescingSelector(clock.time, clock.sleep)
    woken(selector, clock, BUSY * 2)
    clock.slept.clear()
    selector.select(0)
    assert clock.slept == []
    selector.select(GATHER / 4)
    assert clock.slept == [GATHER / 4]
    selector.close()


def test_an_event_loop_runs_on_the_selector() -> None:
    async def work() -> int:
        loop = asyncio.get_running_loop()
        reached = 0
        for _ in range(3):
            await asyncio.sleep(0)
            reached = await loop.run_in_executor(None, lambda n: n + 1, reached)
        return reached

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(CoalescingSelector())) as runner:
        assert runner.run(work()) == 3
