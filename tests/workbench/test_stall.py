from __future__ import annotations

import asyncio

from voicebot.workbench.stall import StallWatch


class Stopwatch:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_late_beat_is_a_stall_and_a_punctual_one_is_not():
    clock, stalls = Stopwatch(), []
    stalled = asyncio.Event()

    def on_stall(seconds: float) -> None:
        stalls.append(seconds)
        stalled.set()

    watch = StallWatch(on_stall, threshold=0.5, beat=0.001, clock=clock)
    watch.start()
    watch.start()
    clock.now += 0.1
    await asyncio.sleep(0.01)
    assert stalls == []
    clock.now += 3.0
    await asyncio.wait_for(stalled.wait(), 5)
    watch.stop()
    assert stalls == [3.0]
    clock.now += 3.0
    await asyncio.sleep(0.01)
    assert stalls == [3.0]
    watch.stop()
