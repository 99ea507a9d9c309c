"""The page itself in Chromium: what its policy allows, and the keyboard's way through a dialog."""

from __future__ import annotations

from tests.e2e.conftest import Chromium, Server
from tests.e2e.room import own_lobby

HAS_FOCUS = "name => document.activeElement?.dataset.testid === name"


async def test_the_lobby_keeps_to_its_policy_and_gives_the_focus_back(
    server: Server, chromium: Chromium, policy: list[str]
) -> None:
    context = await chromium.shared.new_context()
    page = await context.new_page()
    await page.goto(f"{server.url}/?lobby={await own_lobby(context, server.url)}&name=Tom")
    await page.get_by_test_id("join-button").click()
    await page.get_by_test_id("lobby").wait_for()
    tile = page.locator('[data-kind="agent"]')
    await tile.wait_for()
    assert await tile.evaluate("tile => getComputedStyle(tile).getPropertyValue('--hue')") != ""

    for name, inside in (("add-agent-button", "agent-description"), ("devices-button", "microphone-select")):
        for by_mouse in (False, True):
            button = page.get_by_test_id(name)
            if by_mouse:
                await button.click()
            else:
                await button.press("Enter")
            await page.get_by_test_id(inside).wait_for()
            await page.keyboard.press("Escape")
            await page.get_by_test_id(inside).wait_for(state="detached")
            await page.wait_for_function(HAS_FOCUS, arg=name)
    assert policy == []


async def test_what_breaks_the_policy_is_noticed(
    server: Server, chromium: Chromium, policy: list[str]
) -> None:
    """By the fixture that watches every page of every test here."""
    browser = chromium.shared
    for page in (await browser.new_page(), await (await browser.new_context()).new_page()):
        await page.goto(server.url)
        await page.get_by_test_id("lobby-name-input").wait_for()
        assert policy == []
        async with page.expect_console_message(lambda said: "Content Security Policy" in said.text):
            await page.evaluate("document.head.append(document.createElement('style'))")
            await page.evaluate("document.querySelector('style').textContent = 'body { color: red }'")
        await page.evaluate("0")  # what the page said before has arrived with its answer
        assert [what for what in policy if what.startswith("style-src-elem inline")]
        assert [what for what in policy if "Content Security Policy" in what]
        policy.clear()
