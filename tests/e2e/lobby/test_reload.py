"""A reloaded page returns to the same seat, and nobody notices."""

from __future__ import annotations

from tests.e2e.conftest import Chromium, Server
from tests.e2e.room import Guest, own_lobby


async def test_a_reload_returns_to_the_same_seat_unnoticed(server: Server, chromium: Chromium) -> None:
    host = await chromium.context()
    lobby = await own_lobby(host, server.url)
    mia = await Guest.open(host, server.url, "Mia", lobby)
    await mia.join()
    tom = await Guest.open(await chromium.context(), server.url, "Tom", lobby)
    await tom.join()
    await tom.press("mute-button")
    await tom.press("camera-button")
    await mia.sees("Tom")
    await tom.page.get_by_test_id("chat-input").fill("I was here")
    await tom.press("chat-send-button")
    await tom.page.get_by_test_id("chat-row").wait_for()
    before, chat = await tom.id_of("Tom"), await tom.page.get_by_test_id("chat-row").all_inner_texts()
    notes = await mia.page.get_by_test_id("note-row").all_inner_texts()

    await tom.page.reload()
    await tom.page.get_by_test_id("leave-button").wait_for()
    assert await tom.id_of("Tom") == before
    assert await tom.page.get_by_test_id("mute-button").get_attribute("data-muted") == "true"
    assert await tom.page.get_by_test_id("camera-button").get_attribute("data-on") == "true"
    assert await tom.page.get_by_test_id("chat-row").all_inner_texts() == chat
    await mia.has_shown("Tom", "present", "connecting", "present")  # a new connection
    await mia.sees("Tom")
    assert await mia.id_of("Tom") == before
    assert await mia.page.locator('[data-name="Tom"][data-muted="true"][data-video="true"]').count() == 1
    assert "gone" not in await mia.shown("Tom")
    assert await mia.page.get_by_test_id("note-row").all_inner_texts() == notes

    # a copy of the tab remembers the same stay, and does not take it away
    async with tom.page.context.expect_page() as opening:
        await tom.page.evaluate("void window.open(location.href)")
    copy = await opening.value
    await copy.get_by_test_id("join-button").wait_for()
    assert await tom.page.get_by_test_id("leave-button").is_visible()
    assert await tom.page.get_by_test_id("reconnecting-banner").count() == 0
    await copy.get_by_test_id("join-button").click()
    await copy.get_by_test_id("leave-button").wait_for()
    await tom.page.get_by_test_id("end-elsewhere").wait_for()

    # who has left is not brought back
    await copy.get_by_test_id("leave-button").click()
    await mia.tile("Tom").wait_for(state="detached")
    await copy.reload()
    await copy.get_by_test_id("join-button").wait_for()
    assert tom.problems == mia.problems == []
