"""The server is killed while two browsers talk: they go on talking, and everything comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.e2e.conftest import Chromium, spoken
from tests.e2e.room import Guest
from tests.server.crashing import crashing

# Keeps every RTCPeerConnection of the page, and notes each state it shows.
REMEMBER = """
window.__peers = [];
const Real = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Real {
  constructor(...options) {
    super(...options);
    const seen = [];
    this.addEventListener('connectionstatechange', () => seen.push(this.connectionState));
    window.__peers.push({ peer: this, seen });
  }
};
"""
# Of each connection that is open: how it is, what it has been, and the audio that has arrived on it.
LOOK = """
async () => Promise.all(window.__peers
  .map(({ peer, seen }, number) => ({ peer, seen, number }))
  .filter(({ peer }) => peer.connectionState !== 'closed')
  .map(async ({ peer, seen, number }) => {
    let bytes = 0;
    for (const report of (await peer.getStats()).values())
      if (report.type === 'inbound-rtp' && report.kind === 'audio') bytes += report.bytesReceived;
    return { number, state: peer.connectionState, seen, bytes };
  }))
"""
# Messages of each type that have come since the page was loaded.
COUNT = """
window.__got = {};
const Socket = window.WebSocket;
window.WebSocket = class extends Socket {
  constructor(...options) {
    super(...options);
    this.addEventListener('message', ({ data }) => {
      const { type } = JSON.parse(data);
      window.__got[type] = (window.__got[type] ?? 0) + 1;
    });
  }
};
"""


async def look(page: Page) -> dict[int, dict[str, Any]]:
    return {one["number"]: one for one in await page.evaluate(LOOK)}


async def heard_more(page: Page, number: int, than: int) -> None:
    """Until more audio has come on this connection."""
    await page.wait_for_function(
        """async ([number, than]) => {
             let bytes = 0;
             for (const report of (await window.__peers[number].peer.getStats()).values())
               if (report.type === 'inbound-rtp' && report.kind === 'audio') bytes += report.bytesReceived;
             return bytes > than;
           }""",
        arg=[number, than],
    )


@pytest.mark.long
async def test_a_killed_server_does_not_interrupt_the_audio(tmp_path: Path, chromium: Chromium) -> None:
    question = spoken("what is the weather in paris", pause=9)
    command = ("voicebot", "serve")
    async with crashing(tmp_path, command=command) as server:
        env = {"STT_MODEL": "pocketsphinx", "TTS_MODEL": "flite:slt", "DOWNLOAD_TIMEOUT": "0"}
        await server.start(**env)
        await server.answers("ready")
        guests = []
        for name in ("Ann", "Ben"):
            context = await chromium.context()
            await context.add_init_script(REMEMBER + COUNT)
            guest = await Guest.open(context, server.url.rstrip("/"), name)
            await guest.join()
            guests.append(guest)
        ann, ben = guests
        pages = [guest.page for guest in guests]
        for page in pages:  # one connection to the other person, one to the agents
            await page.wait_for_function(
                """() => window.__peers.filter(({ peer }) =>
                     peer.connectionState === 'connected').length === 2"""
            )
        for guest in guests:
            await guest.say(question, again=True)
        identities = [await guest.id_of(other) for guest, other in ((ann, "Ben"), (ben, "Ann"))]
        agent = await ann.id_of("Ada")
        before = [await look(page) for page in pages]
        states = [await page.evaluate("window.__got.lobby_state") for page in pages]
        left = [await page.evaluate("window.__got.user_left ?? 0") for page in pages]

        await server.kill()
        await server.start(**env)
        for page, count in zip(pages, states, strict=True):
            await page.wait_for_function("count => window.__got.lobby_state > count", arg=count, polling=50)
        # the agents' connection is a new one, the people's is that of before
        for page, known in zip(pages, before, strict=True):
            await page.wait_for_function(
                """count => window.__peers.slice(count).some(({ peer }) =>
                     peer.connectionState === 'connected')""",
                arg=max(known) + 1,
                polling=50,
            )
        for page in pages:  # the agents' old one is closed once the new one is there
            await page.wait_for_function(
                "() => window.__peers.filter(({ peer }) => peer.connectionState !== 'closed').length === 2"
            )
        for page, known in zip(pages, before, strict=True):
            now = await look(page)
            kept = [number for number in known if number in now]
            assert len(kept) == 1, (known, now)
            [number] = kept
            assert now[number]["seen"] == known[number]["seen"]  # connected, and never anything else
            assert now[number]["state"] == "connected"
            assert now[number]["bytes"] > known[number]["bytes"]
            await heard_more(page, number, now[number]["bytes"])
        assert [await guest.id_of(other) for guest, other in ((ann, "Ben"), (ben, "Ann"))] == identities
        assert await ann.id_of("Ada") == agent
        assert [await page.evaluate("window.__got.user_left ?? 0") for page in pages] == left
        for guest in guests:
            await guest.has_shown("Ada", "speaking")
        await asyncio.gather(*(guest.caption("Ada: ") for guest in guests))
        assert ann.problems == ben.problems == []
