"""What axe-core finds on each screen, in the light and in the dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Page

from tests.e2e.conftest import Chromium, Server
from tests.e2e.room import own_lobby

AXE = Path(__file__).parents[3] / "client" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = """
async () => (await axe.run()).violations
  .filter(({ impact }) => impact === 'serious' || impact === 'critical')
  .flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target}`))
"""


async def grave(page: Page) -> list[str]:
    """The serious and critical violations of what is on the page."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    return list(await page.evaluate(GRAVE))


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: run `make client`")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_screen_is_accessible(
    server: Server, chromium: Chromium, scheme: Literal["light", "dark"]
) -> None:
    # without motion nothing is half faded in when its contrast is measured
    calm: dict[str, Any] = {"color_scheme": scheme, "reduced_motion": "reduce"}
    own = await chromium.shared.new_context(**calm)
    lobby = await own_lobby(own, server.url)
    page = await own.new_page()
    await page.goto(server.url)
    await page.get_by_test_id("create-lobby-button").wait_for()
    assert await grave(page) == []

    await page.goto(f"{server.url}/?lobby={lobby}&name=Tom")
    await page.locator('[data-testid="microphone-select"]:enabled').wait_for()
    assert await grave(page) == []

    await page.get_by_test_id("join-button").click()
    await page.locator('[data-kind="agent"]').wait_for()
    await page.get_by_test_id("chat-input").fill("Hello")
    await page.keyboard.press("Enter")
    await page.get_by_test_id("chat-row").wait_for()
    assert await grave(page) == []

    await page.get_by_test_id("add-agent-button").click()
    await page.get_by_test_id("agent-description").wait_for()
    assert await grave(page) == []

    await page.keyboard.press("Escape")
    await page.locator('[data-testid^="menu-"]').click()
    await page.locator('[data-testid^="mute-agent-"]').wait_for()
    assert await grave(page) == []
    await page.locator('[data-testid^="report-"]').click()
    await page.get_by_test_id("report-reason").wait_for()
    assert await grave(page) == []
    await page.keyboard.press("Escape")

    await page.get_by_test_id("settings-button").click()
    await page.get_by_test_id("settings-door-private").check()
    assert await grave(page) == []
    await page.get_by_test_id("settings-save-button").click()
    visitor = await chromium.shared.new_page(**calm)
    await visitor.goto(f"{server.url}/?lobby={lobby}&name=Mia")
    await visitor.get_by_test_id("join-button").click()
    await visitor.get_by_test_id("waiting-screen").wait_for()
    assert await grave(visitor) == []
    await page.get_by_test_id("knock-list").wait_for()
    assert await grave(page) == []
    await page.locator('[data-testid^="admit-v"]').click()
    person = page.locator('[data-kind="human"][data-name="Mia"]')  # not her knock, which has a menu, too
    await person.locator('[data-testid^="menu-"]').click()
    await page.locator('[data-testid^="ban-"]').click()
    await page.get_by_test_id("confirm-button").wait_for()
    assert await grave(page) == []
    await page.get_by_test_id("confirm-button").click()
    await visitor.get_by_test_id("end-gone").wait_for()
    assert await grave(visitor) == []

    await page.get_by_test_id("add-agent-button").click()
    await page.get_by_test_id("agent-description").wait_for()
    label = page.locator("label:visible").last
    await label.evaluate("label => { label.style.color = 'var(--line)'; }")
    assert [found.split(":")[0] for found in await grave(page)] == ["color-contrast"]  # axe works here
