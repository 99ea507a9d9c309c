"""What people call themselves, write and say is shown as text: nothing of it becomes the page."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from tests.e2e.conftest import Chromium
from tests.e2e.room import Guest
from tests.server.conftest import HostingFactory, VisitorFactory, host, media, models, settings, visit
from voicebot.events import TranscriptFinal, TranscriptInterim

__all__ = ["host", "media", "models", "settings", "visit"]

OVERRIDE, ISOLATE = "\u202e", "\u2067"
SHORT = "<img src=x onerror=pwned()>"
"""Markup short enough for a name."""
ZALGO = "Z" + "\u0334\u0353\u0310" * 20 + "algo"
NASTY = {
    "markup": "<img src=x onerror=pwned()><script>pwned()</script><svg onload=pwned()>",
    "a link": "[click](javascript:pwned()) <a href='javascript:pwned()'>me</a>",
    "a template": "${pwned()} {{constructor.constructor('pwned()')()}} &lt;b&gt;",
    "an override": f"{OVERRIDE}evil {ISOLATE}never closed",
    "a tower": ZALGO,
    "an end": "</p></li></ul></body><style>body{display:none}</style>",
}
INJECTED = """() => document.querySelectorAll(
  'img[src="x"], [onerror], [onload], body script, body style, svg[onload], iframe, a[href^="javascript:"]'
).length"""
ISOLATED = """element => {
  for (let at = element; at; at = at.parentElement) {
    const style = getComputedStyle(at);
    if (["isolate", "plaintext", "isolate-override"].includes(style.unicodeBidi)) return true;
    if (at.tagName === "LI") return false;
  }
  return false;
}"""


async def harmless(page: Page) -> None:
    assert await page.evaluate("window.executed") == 0
    assert await page.evaluate(INJECTED) == 0


@pytest.mark.timeout(240)
async def test_text_from_others_is_not_read_as_markup(
    host: HostingFactory, visit: VisitorFactory, chromium: Chromium, policy: list[str]
) -> None:
    hosting = await host()
    room = hosting.agent_sessions["demo"]
    mallory = await visit(hosting)
    await mallory.join(SHORT)
    await mallory.send("lobby_update", {"name": SHORT + OVERRIDE + "lobby"}, lobby="demo")
    towers = await visit(hosting)
    await towers.join(ZALGO)
    turned = await visit(hosting)
    await turned.join(OVERRIDE + "nimda")
    await room.spawn("a pirate", name="<b onclick=pwned()>Jack</b>")

    browser = chromium.shared
    context = await browser.new_context()
    await context.add_init_script("window.executed = 0; window.pwned = () => window.executed++;")
    tom = await Guest.open(context, hosting.url.rstrip("/"), "Tom")
    await tom.join()
    page = tom.page

    for number, text in enumerate(NASTY.values()):
        await mallory.send("chat_message", {"text": text}, lobby="demo")
        assert room.log is not None
        ids: dict[str, Any] = {"participant_id": mallory.me, "utterance_id": f"x{number}", "start_t": number}
        room.log.emit(TranscriptInterim(text=text + " and", **ids))
        room.log.emit(TranscriptFinal(text=text, **ids))

    for kind in ("chat-row", "caption"):
        rows = page.locator(f'[data-testid="{kind}"][data-participant="{mallory.me}"]')
        await rows.nth(len(NASTY) - 1).wait_for()
        assert await rows.locator("p").all_text_contents() == list(NASTY.values())
        for row in await rows.all():
            assert await row.locator("p *").count() == 0  # text, and nothing else
            assert await row.get_attribute("data-speaker") == SHORT
            assert await row.locator(".speaker").inner_text() == SHORT
            assert await row.locator(".speaker bdi").evaluate(ISOLATED)
            assert await row.locator("p").evaluate(ISOLATED)

    assert await page.get_by_test_id("lobby-title").inner_text() == f"{SHORT}lobby"
    assert await page.get_by_test_id("lobby-title").locator("bdi").evaluate(ISOLATED)
    names = {info.id: info.name for info in room.lobby.participants.values()}
    assert names[turned.me] == "nimda"
    assert len(names[towers.me]) < len(ZALGO) / 2
    for id, name in names.items():
        tile = page.get_by_test_id(f"tile-{id}")
        assert name in str(await tile.text_content())
        for shown in await tile.locator("bdi").all():
            assert await shown.locator("*").count() == 0
            assert await shown.evaluate(ISOLATED)
    await harmless(page)
    assert policy == []  # nothing was even tried

    await page.evaluate("document.body.append(document.createElement('iframe'))")
    assert await page.evaluate(INJECTED) == 1  # the count works
