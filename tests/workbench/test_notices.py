from __future__ import annotations

import asyncio

from voicebot.errors import ModelLoadError
from voicebot.events import ErrorEvent, LoopStall
from voicebot.workbench.notices import NoticesPane


async def test_a_stall_says_for_how_long_and_what_to_do(page):
    pane = NoticesPane()
    pane.on_event(LoopStall(seconds=3.08))
    [row] = pane.rows
    assert row["text"] == "This cell blocked the loop for 3.1 s; agents' audio went on, answers waited."
    assert "to_thread" in row["hint"]
    pane.on_event(LoopStall(seconds=1.0))
    [row] = pane.rows
    assert "1.0 s" in row["text"]
    assert row["count"] == 2


async def test_errors_keep_their_hints(page):
    pane = NoticesPane()
    pane.failed("whisper was not taken", ModelLoadError("The file is cut off.", hint="Download it again."))
    pane.failed("x", ZeroDivisionError("oops"))
    pane.on_event(ErrorEvent(code="model_failed", message="The turn is lost.", hint="Say it again."))
    assert [(row["text"], row["hint"]) for row in pane.rows] == [
        ("whisper was not taken: The file is cut off.", "Download it again."),
        ("x: ZeroDivisionError: oops", ""),
        ("The turn is lost.", "Say it again."),
    ]


async def test_a_notice_can_be_dismissed(page):
    pane = NoticesPane()
    pane.add("error", "Bad luck", "")
    page.send(pane, {"type": "dismiss", "id": "Bad luck"})
    await asyncio.sleep(0)
    assert pane.rows == []
