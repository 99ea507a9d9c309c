from __future__ import annotations

import asyncio

from voicebot.errors import ModelLoadError
from voicebot.events import ErrorEvent, LoopStall
from voicebot.workbench import guests
from voicebot.workbench.panes.notices import NoticesPane

CELL = "/tmp/ipykernel_4711/2042614983.py:2 <module>"


async def test_a_stall_says_for_how_long_and_what_to_do(page):
    pane = NoticesPane()
    pane.on_event(LoopStall(seconds=3.08, where=CELL))
    [row] = pane.rows
    assert (
        row["text"]
        == "This cell blocked the event loop for 3.1 s; agents went on speaking, but new answers waited."
    )
    assert "to_thread" in row["hint"]
    pane.on_event(LoopStall(seconds=1.0, where=CELL))
    [row] = pane.rows
    assert "1.0 s" in row["text"]
    assert row["count"] == 2


async def test_only_notebook_cells_are_reported_as_cells(page):
    pane = NoticesPane()
    pane.stalled(0.6, f"{guests.__file__}:30 guest")
    pane.stalled(0.7, f"{asyncio.__file__}:10 run")
    pane.stalled(0.8, "/home/ada/analysis.py:7 crunch")
    pane.stalled(0.9)
    own, mine, unseen = pane.rows
    assert own["text"].startswith("AI Voicebot's own work blocked the event loop for 0.7 s")
    assert own["count"] == 2
    assert mine["text"].startswith("/home/ada/analysis.py:7 crunch blocked the event loop for 0.8 s")
    assert "to_thread" in mine["hint"]
    assert unseen["text"].startswith("Unknown code")
    assert "to_thread" not in unseen["hint"]  # a thread does not help where nothing else can run
    assert not any("This cell" in row["text"] for row in pane.rows)


async def test_errors_keep_their_hints(page):
    pane = NoticesPane()
    pane.failed("whisper was not taken", ModelLoadError("The file is cut off.", hint="Download it again."))
    pane.failed("x", ZeroDivisionError("oops"))
    pane.on_event(ErrorEvent(code="model_failed", message="The turn is lost. Say it again."))
    assert [(row["text"], row["hint"]) for row in pane.rows] == [
        ("whisper was not taken: The file is cut off.", "Download it again."),
        ("x: ZeroDivisionError: oops", ""),
        ("The turn is lost. Say it again.", ""),
    ]


async def test_a_notice_can_be_dismissed(page):
    pane = NoticesPane()
    pane.add("error", "Bad luck", "")
    page.send(pane, {"type": "dismiss", "id": "Bad luck"})
    await asyncio.sleep(0)
    assert pane.rows == []
