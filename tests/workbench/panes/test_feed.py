from __future__ import annotations

import asyncio
import threading

import pytest

from voicebot.workbench.panes.feed import Feed, source


class Pane(Feed):
    _esm = "export default { render() {} }"
    limit = 3


async def test_changes_within_an_interval_are_sent_in_one_message(page):
    pane = Pane()
    for n in range(3):
        pane.put({"id": "a", "n": n})
    pane.put({"id": "b", "n": 9})
    assert page.sent(pane) == []
    pane.flush()
    assert page.sent(pane) == [
        {"type": "rows", "seq": 1, "rows": [{"id": "a", "n": 2}, {"id": "b", "n": 9}], "gone": []}
    ]
    pane.flush()
    assert len(page.sent(pane)) == 1


@pytest.mark.virtual_time
async def test_changes_are_sent_without_a_flush(page):
    pane = Pane()
    pane.put({"id": "a"})
    await asyncio.sleep(Pane.interval * 1.5)
    assert [m["seq"] for m in page.sent(pane)] == [1]


async def test_only_the_newest_rows_are_kept_and_the_page_is_told_which_were_dropped(page):
    pane = Pane()
    for n in range(5):
        pane.put({"id": str(n)})
    pane.flush()
    [message] = page.sent(pane)
    assert [row["id"] for row in message["rows"]] == ["2", "3", "4"] == [row["id"] for row in pane.rows]
    assert message["gone"] == ["0", "1"]


async def test_a_view_that_opens_late_gets_the_backlog(page):
    pane = Pane()
    pane.put({"id": "a", "n": 1})
    pane.flush()
    pane.put({"id": "b", "n": 2})
    page.send(pane, {"type": "hello"})
    backlog = page.sent(pane)[-1]
    assert backlog == {"type": "all", "seq": 1, "rows": [{"id": "a", "n": 1}, {"id": "b", "n": 2}]}
    pane.flush()
    assert page.sent(pane)[-1]["seq"] == 2  # the page has seen 1, so there is no gap


async def test_rows_are_not_synced_state(page):
    pane = Pane()
    pane.put({"id": "a", "text": "needle"})
    pane.flush()
    assert "needle" not in str(pane.get_state())


async def test_a_row_put_again_after_it_was_dropped_stays(page):
    pane = Pane()
    pane.put({"id": "a", "n": 1})
    pane.drop("a")
    pane.put({"id": "a", "n": 2})
    pane.flush()
    assert page.sent(pane) == [{"type": "rows", "seq": 1, "rows": [{"id": "a", "n": 2}], "gone": []}]
    pane.drop("a")
    pane.flush()
    assert page.sent(pane)[-1]["gone"] == ["a"]


async def test_messages_from_the_page_are_handled_on_the_loop_from_any_thread(page):
    pane = Pane()
    done = asyncio.get_running_loop().create_future()
    pane.on_page("poke", lambda message: done.set_result((message["n"], threading.current_thread())))

    def other_thread() -> None:
        asyncio.run(other_loop())

    async def other_loop() -> None:
        page.send(pane, {"type": "poke", "n": 7})

    await asyncio.to_thread(other_thread)
    assert await done == (7, threading.current_thread())


async def test_unknown_messages_of_a_page_are_ignored(page):
    pane = Pane()
    for content in ({}, {"type": 3}, {"type": "unknown"}):
        page.send(pane, content)
    pane._received(None, "text", None)
    assert page.sent(pane) == []


def test_without_a_loop_changes_are_sent_at_once(page):
    pane = Pane()
    pane.put({"id": "a"})
    assert [m["rows"] for m in page.sent(pane)] == [[{"id": "a"}]]


@pytest.mark.parametrize("name", ["feed.js", "theme.css", "transcript.js", "latency.css", "lobby_link.js"])
def test_the_package_contains_the_parts_of_the_page(name):
    assert source(name).strip()
