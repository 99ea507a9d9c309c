"""If a microphone or camera does not open, the page says why, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.e2e.conftest import Chromium
from tests.e2e.room import Guest
from tests.server.conftest import HostingFactory, host, media, models, settings
from tests.support.coturn import free_port
from voicebot.settings import Settings

__all__ = ["host", "media", "models", "settings"]

DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
ANDROID = "Mozilla/5.0 (Linux; Android 16; Pixel 10) Chrome/156.0.0.0 Mobile Safari/537.36"
CONTROLS = {"microphone": "mute-button", "camera": "camera-button"}

# Counts what is asked for, and fails as the page is told to in `__fails`: [name, message, constraint].
ASKED = """
window.__asked = 0;
if (navigator.mediaDevices) {
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    window.__asked++;
    if (!window.__fails) return real(wanted);
    const [name, message, constraint] = window.__fails;
    throw Object.assign(new DOMException(message, name), constraint ? { constraint } : {});
  };
}
"""


async def listening(chromium: Chromium, url: str, *flags: str, **options: Any) -> Page:
    """Somebody in the lobby whose devices have not been opened."""
    browser = await chromium.launch(*flags)
    context = await browser.new_context(**options)
    await context.add_init_script(ASKED)
    mia = await Guest.open(context, url, "Mia")
    await mia.join()
    for kind in CONTROLS:
        await expect(mia.page.get_by_test_id(f"{kind}-banner")).to_have_count(0)
    return mia.page


@pytest.mark.parametrize(
    ("viewport", "scheme", "agent", "hint"),
    [(DESKTOP, "light", None, "Click the icon"), (PHONE, "dark", ANDROID, "open “Permissions”")],
)
async def test_blocked_devices_are_explained(
    host: HostingFactory,
    chromium: Chromium,
    shots: Path,
    viewport: ViewportSize,
    scheme: str,
    agent: str | None,
    hint: str,
) -> None:
    url = (await host()).url.rstrip("/")
    flags = ("--deny-permission-prompts",)
    page = await listening(chromium, url, *flags, viewport=viewport, color_scheme=scheme, user_agent=agent)
    for kind, control in CONTROLS.items():
        before = await page.evaluate("__asked")
        for times in (1, 2):
            await page.get_by_test_id(control).click()
            await page.wait_for_function("times => __asked === times", arg=before + times)
            banner = page.get_by_test_id(f"{kind}-banner")
            await expect(banner).to_contain_text(f"Your browser is blocking the {kind}")
            await expect(banner).to_contain_text(hint)
            await expect(banner).to_have_role("alert")
            await expect(banner).to_be_in_viewport(ratio=1)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.screenshot(path=shots / f"not-permitted-{viewport['width']}-{scheme}.png")

    await page.get_by_test_id("camera-banner").get_by_role("button", name="Dismiss").press("Enter")
    await expect(page.get_by_test_id("camera-banner")).to_have_count(0)
    await expect(page.get_by_test_id("camera-button")).to_be_focused()
    # what is explained in the dialog has been read
    await page.get_by_test_id("devices-button").click()
    await page.get_by_test_id("microphone-problem").wait_for()
    await page.screenshot(path=shots / f"devices-dialog-{viewport['width']}-{scheme}.png")
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("microphone-banner")).to_have_count(0)


async def test_a_missing_camera_is_explained(host: HostingFactory, chromium: Chromium) -> None:
    url = (await host()).url.rstrip("/")
    flags = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=device-count=0")
    page = await listening(chromium, url, *flags)
    await page.get_by_test_id("camera-button").click()
    banner = page.get_by_test_id("camera-banner")
    await expect(banner).to_contain_text("No camera was found")
    await expect(banner).to_contain_text("Plug one in")


FAILURES = [
    ("NotAllowedError", "Permission dismissed", "", "You have not allowed the camera"),
    ("NotReadableError", "Could not start video source", "", "Another program is using the camera"),
    ("NotAllowedError", "Permission denied by system", "", "Your system is blocking the camera"),
    ("OverconstrainedError", "", "frameRate", "This camera does not work for calls"),
    ("NotFoundError", "Requested device not found", "", "No camera was found"),
    ("UnknownError", "?", "", "The camera could not be opened"),
]


async def test_each_cause_has_its_own_message_and_retrying_helps(
    host: HostingFactory, chromium: Chromium
) -> None:
    url = (await host()).url.rstrip("/")
    page = await listening(chromium, url, "--use-fake-ui-for-media-stream")
    banner = page.get_by_test_id("camera-banner")
    for name, message, constraint, said in FAILURES:
        await page.evaluate("fails => { window.__fails = fails; }", [name, message, constraint])
        await page.get_by_test_id("camera-button").click()
        await expect(banner).to_contain_text(said)
    await page.evaluate("window.__fails = null")
    await banner.get_by_role("button", name="Try again").press("Enter")
    await expect(page.get_by_test_id("camera-button")).to_have_attribute("data-on", "true")
    await expect(banner).to_have_count(0)
    await expect(page.get_by_test_id("camera-button")).to_be_focused()


async def test_an_insecure_page_explains_why_there_are_no_devices(
    host: HostingFactory, settings: Settings, chromium: Chromium
) -> None:
    port = free_port()
    url = f"http://voice.test:{port}"
    await host(settings=settings.model_copy(update={"port": port, "public_url": url}))
    page = await listening(chromium, url, "--host-resolver-rules=MAP voice.test 127.0.0.1")
    for kind, control in CONTROLS.items():
        await page.get_by_test_id(control).click()
        banner = page.get_by_test_id(f"{kind}-banner")
        await expect(banner).to_contain_text("only work on a secure address")
        await expect(banner).to_contain_text("https://")
        await expect(banner.get_by_role("button", name="Try again")).to_have_count(0)
