"""Without a network: it is said at once, and what people write arrives later, once and in order."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, ViewportSize, expect

from tests.e2e.conftest import Chromium
from tests.e2e.room import Guest
from tests.server.conftest import HostingFactory, host, media, models, settings
from tests.support.faults import FaultProxy

__all__ = ["host", "media", "models", "settings"]

PHONE: ViewportSize = {"width": 390, "height": 844}


async def write(page: Page, *texts: str) -> None:
    for text in texts:
        await page.get_by_test_id("chat-input").fill(text)
        await page.keyboard.press("Enter")


async def arrived(page: Page, *texts: str) -> None:
    rows = page.get_by_test_id("chat-row").locator("p")
    await expect(rows).to_have_text(list(texts), timeout=30_000)
    await expect(page.get_by_test_id("pending-row")).to_have_count(0)


async def test_the_browser_goes_offline(host: HostingFactory, chromium: Chromium, shots: Path) -> None:
    hosting = await host()
    url = hosting.url.rstrip("/")
    mia = await Guest.open(await chromium.context(), url, "Mia")
    await mia.join()
    context = await chromium.context(viewport=PHONE, color_scheme="dark")
    tom = await Guest.open(context, url, "Tom")
    await tom.join()
    badge = tom.page.get_by_test_id("connection-badge")
    await expect(badge).to_have_attribute("data-state", "connecting")  # to agents that are doubles

    await context.set_offline(True)
    await tom.page.get_by_test_id("offline-banner").wait_for()
    await expect(badge).to_have_attribute("data-state", "reconnecting")
    await expect(badge).to_have_text("Offline")
    await write(tom.page, "one", "two")
    await expect(tom.page.get_by_test_id("pending-row").locator("p")).to_have_text(["one", "two"])
    waits = tom.page.get_by_role("status").filter(has_text="Waiting for the connection")
    await expect(waits).to_have_count(2)
    await tom.page.screenshot(path=shots / "offline-phone-dark.png")
    await expect(mia.page.get_by_test_id("chat-row")).to_have_count(0)

    await context.set_offline(False)
    for page in (tom.page, mia.page):
        await arrived(page, "one", "two")
    await expect(tom.page.get_by_test_id("offline-banner")).to_have_count(0)
    assert tom.problems == []


async def test_the_server_stops_answering(host: HostingFactory, chromium: Chromium, shots: Path) -> None:
    """Nothing tells the browser: the socket stays open, and swallows what is written."""
    hosting = await host()
    proxy = await FaultProxy(hosting.port).start()
    context = await chromium.context(viewport={"width": 1280, "height": 800})
    tom = await Guest.open(context, f"http://localhost:{proxy.port}", "Tom")
    await tom.join()
    await write(tom.page, "before")
    await arrived(tom.page, "before")

    proxy.refusing = True
    proxy.silence_all()
    await write(tom.page, "into the void")
    await tom.page.get_by_test_id("reconnecting-banner").wait_for()
    await expect(tom.page.get_by_test_id("connection-badge")).to_have_attribute("data-state", "reconnecting")
    await write(tom.page, "held back")
    await expect(tom.page.get_by_test_id("pending-row")).to_have_count(2)
    await tom.page.screenshot(path=shots / "no-answer-desktop.png")

    proxy.refusing = False
    proxy.end_all()
    await arrived(tom.page, "before", "into the void", "held back")
    await proxy.aclose()
    assert tom.problems == []
