from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.support.waiting import GUARD
from voicebot import settings
from voicebot.conversation.stall import Stall, StallMonitor, culprit, describe, where_is


class Watched:
    """A monitor with a clock that a test sets forward, as if the loop had been blocked."""

    def __init__(self) -> None:
        self.now = 10.0
        self.stalls: asyncio.Queue[Stall] = asyncio.Queue()
        self.monitor = StallMonitor(self.stalls.put_nowait, clock=lambda: self.now)


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    watched = Watched()
    yield watched
    watched.monitor.stop()
    watched.monitor.stop()


async def test_a_late_beat_is_a_stall(watched: Watched) -> None:
    watched.monitor.start()
    watched.monitor.start()
    watched.now += 3.0
    assert (await asyncio.wait_for(watched.stalls.get(), GUARD)).seconds == 3.0


async def test_punctual_beats_are_no_stall(watched: Watched) -> None:
    beats = asyncio.Event()
    readings = 0

    def clock() -> float:
        nonlocal readings
        readings += 1
        if readings > 20:
            asyncio_loop.call_soon_threadsafe(beats.set)
        return 5.0 + readings * 0.01

    asyncio_loop = asyncio.get_running_loop()
    monitor = StallMonitor(watched.stalls.put_nowait, clock=clock)
    monitor.start()
    await asyncio.wait_for(beats.wait(), GUARD)
    monitor.stop()
    assert watched.stalls.empty()


async def test_the_code_that_blocked_the_loop_is_named() -> None:
    stalls: asyncio.Queue[Stall] = asyncio.Queue()
    monitor = StallMonitor(stalls.put_nowait)
    monitor.start()

    def a_cell_that_blocks() -> None:
        while not monitor._where:  # releases the GIL now and then, as Python code does
            threading.Event().wait(0.01)

    a_cell_that_blocks()
    stall = await asyncio.wait_for(stalls.get(), GUARD)
    monitor.stop()
    assert stall.seconds >= 0.25
    assert stall.where.startswith(__file__)
    assert stall.where.endswith(" a_cell_that_blocks")


async def test_a_failing_observer_does_not_stop_the_monitor(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    failed = asyncio.Event()

    def fail_once(stall: Stall) -> None:
        if stall.seconds < 2:
            failed.set()
            raise RuntimeError("boom")
        watched.stalls.put_nowait(stall)

    monitor = StallMonitor(fail_once, clock=lambda: watched.now)
    monitor.start()
    watched.now += 1.0
    await asyncio.wait_for(failed.wait(), GUARD)
    watched.now += 3.0
    assert (await asyncio.wait_for(watched.stalls.get(), GUARD)).seconds == 3.0
    monitor.stop()
    assert "could not be reported" in caplog.text


def test_no_garbage_is_collected_while_frames_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebot.conversation.stall.describe", lambda frame: str(gc.isenabled()))
    assert where_is(threading.get_ident()) == "False"
    assert gc.isenabled()


def test_without_a_frame_the_location_is_unknown() -> None:
    assert describe(None) == ""


def frame_in(file: str, called: str = "") -> FrameType:
    """A frame of code in `file`, called by code in `called`."""
    scope: dict[str, Any] = {"sys": sys}
    exec(compile("def inner():\n    return sys._getframe()", file, "exec"), scope)
    exec(compile("def outer():\n    return inner()", called or file, "exec"), scope)
    frame: FrameType = scope["outer"]()
    return frame


@pytest.mark.parametrize(
    ("file", "caller", "who"),
    [
        ("/tmp/ipykernel_12/3456.py", "", "cell"),
        (r"C:\Users\ada\AppData\Local\Temp\ipykernel_12\3456.py", "", "cell"),
        ("<ipython-input-3-abc>", "", "cell"),
        (threading.__file__, "/tmp/ipykernel_12/3456.py", "cell"),  # time.sleep, pandas and so on
        ("/home/ada/work.py", "/tmp/ipykernel_12/3456.py", "code"),
        (settings.__file__, "/tmp/ipykernel_12/3456.py", "voicebot"),  # await workbench.start()
        (threading.__file__, settings.__file__, "voicebot"),
    ],
)
def test_the_culprit_is_derived_from_the_location(file: str, caller: str, who: str) -> None:
    assert culprit(describe(frame_in(file, caller))) == who


def test_this_package_counts_as_itself_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebot.conversation.stall.LIBRARIES", (str(Path(settings.__file__).parent),))
    assert culprit(describe(frame_in(settings.__file__, "/tmp/ipykernel_1/2.py"))) == "voicebot"


def test_an_unknown_location_has_an_unseen_culprit() -> None:
    assert culprit("") == "unseen"
