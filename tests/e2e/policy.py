"""What a page does against the server's Content-Security-Policy, as the browser tells it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page

REPORT = """
document.addEventListener("securitypolicyviolation", (event) =>
  globalThis.__violated?.(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


async def watch(context: BrowserContext, broken: list[str]) -> None:
    """Note in `broken` what the pages, frames and workers of this browser window break."""

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            broken.append(message.text)

    context.on("console", said)
    await context.expose_binding("__violated", lambda source, what: broken.append(what))
    await context.add_init_script(REPORT)


def watch_all(patch: pytest.MonkeyPatch) -> list[str]:
    """The same for each context that is opened from now on, by whichever browser."""
    broken: list[str] = []
    new_context, new_page = Browser.new_context, Browser.new_page

    async def watched_context(self: Browser, **options: Any) -> BrowserContext:
        context = await new_context(self, **options)
        await watch(context, broken)
        return context

    async def watched_page(self: Browser, **options: Any) -> Page:
        page = await new_page(self, **options)
        await watch(page.context, broken)
        return page

    patch.setattr(Browser, "new_context", watched_context)
    patch.setattr(Browser, "new_page", watched_page)
    return broken
