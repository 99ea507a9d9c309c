"""The page itself in Chromium: what its policy allows, and the keyboard's way through a dialog."""

from __future__ import annotations

from tests.e2e.conftest import Chromium, Serve

COUNT_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""
HAS_FOCUS = "name => document.activeElement?.dataset.testid === name"


async def test_the_lobby_keeps_to_its_policy_and_gives_the_focus_back(
    serve: Serve, chromium: Chromium
) -> None:
    server = serve()
    browser = await chromium.launch(None, "--use-fake-ui-for-media-stream")
    page = await browser.new_page()
    await page.add_init_script(COUNT_VIOLATIONS)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await page.goto(f"{server.url}/?lobby=demo&name=Tom")
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
            await page.wait_for_function(HAS_FOCUS, arg=name, timeout=5_000)
    assert await page.evaluate("window.violations") == []
    assert [said for said in complaints if "Content Security Policy" in said] == []
    await page.evaluate("document.head.append(document.createElement('style'))")
    await page.evaluate("document.querySelector('style').textContent = 'body { color: red }'")
    await page.wait_for_function("window.violations.length > 0")  # the count works
