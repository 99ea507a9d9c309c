"""The page itself in Chromium: what its policy allows, and the keyboard's way through a dialog."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import STATIC, Chromium, Server
from tests.e2e.room import own_lobby

HAS_FOCUS = "name => document.activeElement?.dataset.testid === name"


async def test_the_lobby_obeys_the_content_security_policy_and_restores_the_focus(
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


async def test_violations_of_the_content_security_policy_are_detected(
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


async def test_scripts_and_styles_are_sent_as_compressed_by_the_build(
    server: Server, chromium: Chromium
) -> None:
    page = await chromium.shared.new_page()
    await page.goto(server.url)
    await page.get_by_test_id("lobby-name-input").wait_for()
    sizes = await page.evaluate(
        """performance.getEntriesByType('resource')
             .filter(({ name }) => name.includes('/assets/'))
             .map(({ name, encodedBodySize, decodedBodySize }) =>
               [name.split('/').pop(), encodedBodySize, decodedBodySize])"""
    )
    assert {Path(name).suffix for name, *_ in sizes} == {".js", ".css"}
    for name, encoded, decoded in sizes:
        file = STATIC / "assets" / name
        assert decoded == file.stat().st_size
        assert encoded == file.with_name(f"{name}.br").stat().st_size < decoded


@pytest.mark.parametrize("dark", [False, True])
async def test_an_address_without_a_page_leads_to_the_start_page(
    server: Server, chromium: Chromium, policy: list[str], shots: Path, dark: bool
) -> None:
    """The page is styled by itself and keeps to its policy; its links work from any depth."""
    page = await chromium.shared.new_page(color_scheme="dark" if dark else "light")
    for width, height in ((1280, 800), (390, 844)):
        await page.set_viewport_size({"width": width, "height": height})
        answer = await page.goto(f"{server.url}/lobbies/demo")
        assert answer is not None
        assert answer.status == 404
        colour = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert colour == ("rgb(20, 22, 28)" if dark else "rgb(250, 248, 245)")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.screenshot(path=shots / f"nothing-here-{width}-{'dark' if dark else 'light'}.png")
    assert policy == []
    await page.get_by_role("link", name="demo").click()
    await page.get_by_test_id("name-input").wait_for()
    assert page.url == f"{server.url}/?lobby=demo"
    await page.goto(f"{server.url}/a/b/c")
    await page.get_by_role("link", name="start page").click()
    await page.get_by_test_id("lobby-name-input").wait_for()
    assert page.url == f"{server.url}/"
