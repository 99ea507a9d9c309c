"""A private lobby and its host: knocking, denying, kicking, banning, locking, ending."""

from __future__ import annotations

from playwright.async_api import Browser

from tests.e2e.conftest import Chromium, Server
from tests.e2e.room import Guest


async def come(browser: Browser, url: str, name: str, lobby: str) -> Guest:
    """Somebody new at the lobby's door who has pressed Join."""
    guest = await Guest.open(await browser.new_context(), url, name, lobby=lobby)
    await guest.press("join-button")
    return guest


async def test_a_host_decides_who_is_in(server: Server, chromium: Chromium) -> None:
    browser = chromium.shared
    page = await (await browser.new_context()).new_page()
    mia = Guest(page)
    await page.goto(server.url)
    await page.get_by_test_id("lobby-name-input").fill("Tea room")
    await mia.press("create-lobby-button")
    await page.get_by_test_id("name-input").fill("Mia")
    await mia.join()
    lobby = page.url.partition("lobby=")[2]
    assert len(lobby) >= 16
    mine = page.locator('[data-self="true"][data-role="host"]')
    await mine.wait_for()

    # Tom knocks, and waits until he is let in
    tom = await come(browser, server.url, "Tom", lobby)
    await tom.page.get_by_test_id("waiting-screen").wait_for()
    knock = page.locator('[data-testid^="knock-v"][data-name="Tom"]')
    await knock.wait_for()
    assert "Tom" in await page.get_by_test_id("knock-news").inner_text()
    assert await mia.tile("Tom").count() == 0
    await knock.locator('[data-testid^="admit-"]').click()
    await tom.page.get_by_test_id("leave-button").wait_for()
    await mia.tile("Tom").wait_for()
    assert await tom.page.get_by_test_id("settings-button").count() == 0
    assert await tom.page.locator('[data-name="Mia"][data-role="host"]').count() == 1

    # he is asked to mute, and does
    toms = await mia.id_of("Tom")
    await mia.press(f"menu-{toms}")
    await mia.press(f"ask-mute-{toms}")
    await tom.press("mute-now-button")
    await page.locator('[data-name="Tom"][data-muted="true"]').wait_for()

    # taken out, he may knock again, and is turned away: to him it is as if there were no such lobby
    await mia.press(f"menu-{toms}")
    await mia.press(f"kick-{toms}")
    await mia.press("confirm-button")
    await tom.page.locator('[data-testid="end-gone"][data-reason="kicked"]').wait_for()
    await mia.tile("Tom").wait_for(state="detached")
    await tom.press("again-button")
    await tom.press("join-button")
    await knock.locator('[data-testid^="deny-"]').click()
    await tom.page.locator('[data-testid="end-gone"][data-reason="missing"]').wait_for()

    # banned, one does not come back, not by loading the page again either
    zoe = await come(browser, server.url, "Zoe", lobby)
    await page.locator('[data-testid^="admit-v"]').click()
    await mia.tile("Zoe").wait_for()
    zoes = await mia.id_of("Zoe")
    await mia.press(f"menu-{zoes}")
    await mia.press(f"ban-{zoes}")
    await mia.press("confirm-button")
    await zoe.page.locator('[data-testid="end-gone"][data-reason="banned"]').wait_for()
    await zoe.page.reload()
    await zoe.page.locator('[data-testid="end-gone"][data-reason="missing"]').wait_for()

    # locked, nobody new comes as far as the door
    await mia.press("settings-button")
    await page.get_by_test_id("settings-locked").check()
    await page.get_by_test_id("settings-name").fill("Salon")
    await mia.press("settings-save-button")
    await page.locator('[data-testid="lobby-title"]', has_text="Salon").wait_for()
    ann = Guest(await (await browser.new_context()).new_page())
    await ann.page.goto(f"{server.url}/?lobby={lobby}")
    await ann.page.locator('[data-testid="end-gone"][data-reason="missing"]').wait_for()
    assert await page.get_by_test_id("knock-list").count() == 0

    # the host comes back as host, and ends it
    await page.reload()
    await page.get_by_test_id("leave-button").wait_for()
    await mine.wait_for()
    await mia.press("settings-button")
    await mia.press("end-lobby-button")
    await mia.press("confirm-button")
    await page.get_by_test_id("end-gone").wait_for()
    for guest in (mia, tom, zoe, ann):
        assert guest.problems == []
