"""Escape closes every dialog, whatever has happened in it, and returns the focus to its button."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import Chromium
from tests.e2e.room import Guest
from tests.server.conftest import HostingFactory, host, media, models, settings
from voicebot.server.hosting import Hosting

__all__ = ["host", "media", "models", "settings"]

AGENT = ("add-agent-button", "agent-description")


async def in_lobby(hosting: Hosting, chromium: Chromium) -> Page:
    tom = await Guest.open(await chromium.context(), hosting.url.rstrip("/"), "Tom")
    await tom.join()
    return tom.page


async def closes(page: Page, button: str) -> None:
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_test_id(button)).to_be_focused()


async def test_a_dialog_can_be_closed_after_a_refusal(
    host: HostingFactory, chromium: Chromium, shots: Path
) -> None:
    hosting = await host()
    session = hosting.agent_sessions["demo"]
    for _ in range(len(session.lobby.agents), session.lobby.capacity.agents):
        await session.spawn("a pirate")
    page = await in_lobby(hosting, chromium)
    await page.get_by_test_id("add-agent-button").click()
    await page.get_by_test_id("agent-description").fill("a lighthouse keeper")
    await page.get_by_test_id("agent-submit-button").click()
    await page.get_by_test_id("agent-error").wait_for()
    await page.screenshot(path=shots / "agent-refused.png")
    await closes(page, "add-agent-button")


async def test_a_dialog_can_be_closed_while_an_agent_is_being_created(
    host: HostingFactory, chromium: Chromium, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosting = await host()
    session = hosting.agent_sessions["demo"]
    spawn, may = session.spawn, asyncio.Event()

    async def slowly(*wish: Any, **options: Any) -> Any:
        await may.wait()
        return await spawn(*wish, **options)

    monkeypatch.setattr(session, "spawn", slowly)
    page = await in_lobby(hosting, chromium)
    await page.get_by_test_id("add-agent-button").click()
    await page.get_by_test_id("agent-description").fill("Bruno, a lighthouse keeper")
    await page.get_by_test_id("agent-submit-button").click()
    await page.get_by_test_id("agent-progress").wait_for()
    await closes(page, "add-agent-button")
    may.set()
    await page.locator('[data-kind="agent"][data-name="Bruno"]').wait_for()


async def test_a_dialog_can_be_closed_after_going_back_and_after_losing_the_focus(
    host: HostingFactory, chromium: Chromium
) -> None:
    hosting = await host()
    hosting.moderate("demo")
    page = await in_lobby(hosting, chromium)
    agent = page.locator('[data-kind="agent"] [data-testid^="menu-"]')
    menu = str(await agent.get_attribute("data-testid"))
    report = menu.replace("menu-", "report-")

    await agent.click()
    await page.get_by_test_id(report).click()
    await page.get_by_test_id("report-reason").wait_for()
    await page.get_by_role("button", name="Back").click()
    await page.get_by_test_id(report).wait_for()
    await closes(page, menu)

    for button in (menu, "add-agent-button", "devices-button", "settings-button"):
        await page.get_by_test_id(button).click()
        await page.get_by_role("dialog").wait_for()
        await page.evaluate("document.activeElement.blur()")
        await closes(page, button)
