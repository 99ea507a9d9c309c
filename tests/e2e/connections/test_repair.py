"""Paths that break and browsers that sleep come back to the same place, and nobody is seen to leave."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.async_api import Browser

from tests.e2e.conftest import Chromium, Serve
from tests.e2e.room import Guest
from tests.support.coturn import configured, free_port
from tests.support.sound import Scale, notes_in
from tests.support.waiting import GUARD
from voicebot.agent.models.models import Models
from voicebot.server.hosting import Hosting
from voicebot.settings import Settings
from voicebot.testing.openai_server import OpenAIServer

SECRET = "a-secret-for-the-test"

# Here people have the browser's own microphone, which beeps.
# Notes every connection of the page: to a person (with video) or to the agents, and what it received.
# A closed one keeps its last number. `gaps` are closings while no other one to the same was connected.
COUNT = """
(() => {
  const Real = window.RTCPeerConnection;
  const all = (window.__connections = []);
  window.__gaps = 0;
  window.RTCPeerConnection = class extends Real {
    packets = 0;
    lost = 0;
    constructor(...args) {
      super(...args);
      all.push(this);
      this.addEventListener('connectionstatechange', () => {
        if (this.connectionState === 'disconnected') this.lost++;
      });
    }
    get kind() {
      const video = this.getTransceivers().some(({ receiver }) => receiver.track.kind === 'video');
      return video ? 'person' : 'agents';
    }
    async count() {
      if (this.connectionState === 'closed') return;
      for (const stat of (await this.getStats()).values())
        if (stat.type === 'inbound-rtp' && stat.kind === 'audio') this.packets = stat.packetsReceived;
    }
    close() {
      const others = all.filter((other) => other !== this && other.kind === this.kind);
      if (this.connectionState === 'connected'
          && !others.some((other) => other.connectionState === 'connected')) window.__gaps++;
      super.close();
    }
  };
  window.__made = (kind) => all.filter((one) => one.kind === kind).length;
  window.__received = async (kind) => {
    await Promise.all(all.map((one) => one.count()));
    return all.filter((one) => one.kind === kind).reduce((sum, { packets }) => sum + packets, 0);
  };
})();
"""
# Waits until half a second more of sound than now has come.
GROWS = """
async (kind) => {
  const before = await window.__received(kind);
  while ((await window.__received(kind)) < before + 25)
    await new Promise((resolve) => setTimeout(resolve, 300));
}
"""


async def open_guest(browser: Browser, url: str, name: str, **query: str) -> Guest:
    context = await browser.new_context()
    await context.add_init_script(COUNT)
    return await Guest.open(context, url, name, **query)


async def made(guest: Guest, kind: str) -> int:
    """How many connections the page has made."""
    return int(await guest.page.evaluate("kind => window.__made(kind)", kind))


async def hears(guest: Guest, kind: str) -> None:
    """Await more sound of a person or of the agents."""
    async with asyncio.timeout(GUARD):
        await guest.page.evaluate(GROWS, kind)


async def connected(guest: Guest, kind: str) -> None:
    """Await that the newest connection to a person or the agents works; silent agents send nothing."""
    await guest.page.wait_for_function(
        "kind => window.__connections.findLast(one => one.kind === kind)?.connectionState === 'connected'",
        arg=kind,
        polling=50,
    )


async def answered(asking: Guest, *guests: Guest) -> None:
    """Await that the agent's voice reaches these when one writes to it."""
    async with asyncio.TaskGroup() as listening:
        for guest in guests:
            listening.create_task(hears(guest, "agents"))
        await asking.page.get_by_test_id("chat-input").fill("hello")
        await asking.page.get_by_test_id("chat-send-button").click()


async def one_loses_the_other(*guests: Guest) -> None:
    """Await a break in one end of their connection: its repair may come before the other end notices."""
    broken = "() => window.__connections.some(one => one.kind === 'person' && one.lost > 0)"
    waiting = [asyncio.create_task(guest.page.wait_for_function(broken, polling=50)) for guest in guests]
    done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    await asyncio.gather(*done)


@pytest.mark.long
async def test_a_relay_that_dies_and_returns_leaves_people_on_the_same_connection(
    serve: Serve, chromium: Chromium, tmp_path: Path
) -> None:
    port = free_port()
    conf = f"listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port={port}\nno-tls\nno-dtls\nno-cli\n"
    conf += f"use-auth-secret\nstatic-auth-secret={SECRET}\nrealm=voicebot.test\nallow-loopback-peers\n"

    def relay() -> Any:
        return configured(tmp_path, conf, "--log-file=stdout", address="127.0.0.1", ports=(port,))

    with relay():
        server = serve(COTURN_SERVER=f"turn:127.0.0.1:{port}?transport=udp", COTURN_SECRET=SECRET)
        guests = [await open_guest(chromium.shared, server.url, name, relay="1") for name in ("Mia", "Tom")]
        for guest in guests:
            await guest.join()
        for guest in guests:
            await hears(guest, "person")
            await connected(guest, "agents")
    before = [(await made(guest, "person"), await made(guest, "agents")) for guest in guests]
    with relay():
        await one_loses_the_other(*guests)
        for guest in guests:
            await hears(guest, "person")
            await guest.page.wait_for_function(
                "n => window.__made('agents') > n && !window.__connections.some(one => one.lost"
                " && one.kind === 'agents' && one.connectionState !== 'closed')",
                arg=before[guests.index(guest)][1],
                polling=50,
            )
            await connected(guest, "agents")
        await answered(guests[0], guests[0])
        after = [(await made(guest, "person"), await made(guest, "agents")) for guest in guests]
    for (people, agents), (people_now, agents_now) in zip(before, after, strict=True):
        assert people_now == people, "another connection was made where a restart of ICE is enough"
        assert agents_now > agents
    for guest in guests:
        assert guest.problems == []


@pytest.mark.long
async def test_a_laptop_that_slept_for_twenty_seconds_returns_to_its_seat(
    serve: Serve, chromium: Chromium
) -> None:
    server = serve()
    mia = await open_guest(chromium.shared, server.url, "Mia")
    await mia.join()
    before = set(psutil.Process().children(recursive=True))
    laptop = await chromium.launch("--use-fake-ui-for-media-stream")
    tom = await open_guest(laptop, server.url, "Tom")
    await tom.join()
    for guest in (mia, tom):
        await hears(guest, "person")
        await connected(guest, "agents")
    of_tom = await mia.id_of("Tom")
    asleep = [p for p in psutil.Process().children(recursive=True) if p not in before]
    assert len(asleep) > 2  # the browser, its network and its page
    for process in asleep:
        process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(20)  # so long is the lid closed
    finally:
        for process in asleep:
            process.send_signal(signal.SIGCONT)
    for guest in (tom, mia):
        await hears(guest, "person")
    await connected(tom, "agents")
    await answered(tom, tom)
    assert await mia.id_of("Tom") == of_tom
    assert await tom.id_of("Tom") == of_tom
    shown = await mia.page.evaluate("window.__seen.states.Tom")
    assert "gone" not in shown
    assert mia.problems == tom.problems == []


@asynccontextmanager
async def hosted(folder: Path, llm: OpenAIServer) -> AsyncIterator[Hosting]:
    """A server in this process, so that its lobby can be told what to do; its agent sings."""
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None,
        port=0,
        data_dir=folder,
        stt_model="pocketsphinx",
        openai_base_url=llm.url,
        speculate=False,  # the script has one answer
        openai_model="test",
    )
    hosting = Hosting(settings, models=Models(settings, tts=Scale("sun")))
    await hosting.start()
    try:
        yield hosting
    finally:
        await hosting.stop()


async def test_the_agent_keeps_speaking_while_its_connection_is_replaced(
    chromium: Chromium, tmp_path: Path
) -> None:
    async with OpenAIServer(["The sun is shining."]) as llm, hosted(tmp_path / "data", llm) as hosting:
        context = await chromium.context()
        await context.add_init_script(COUNT)
        tom = await Guest.open(context, hosting.url.rstrip("/"), "Tom")
        await tom.join()
        await tom.caption("^Ada.*hello")
        await connected(tom, "agents")
        await tom.page.locator('[data-kind="agent"][data-state="idle"]').wait_for()
        await tom.listen()
        await tom.page.get_by_test_id("chat-input").fill("what is the weather in paris")
        await tom.page.get_by_test_id("chat-send-button").click()
        await tom.page.locator('[data-kind="agent"][data-state="speaking"]').wait_for()
        agents = await made(tom, "agents")
        controller = hosting.controller("demo")
        controller.negotiations.begin(await tom.id_of("Tom"))
        await tom.caption("^Ada.*sun is shining")
        await tom.page.locator('[data-kind="agent"][data-state="idle"]').wait_for()
        assert await made(tom, "agents") == agents + 1
        assert await tom.page.evaluate("window.__gaps") == 0
        states = await tom.page.evaluate(
            "window.__connections.filter(c => c.kind === 'agents').map(c => c.connectionState)"
        )
        assert states == ["closed", "connected"]
        notes = notes_in(await tom.heard())
        # The browser has a jitter buffer for each connection. The newer one may be longer on a busy machine,
        # or become longer. So a note or two may come again. None may be missing.
        assert sorted(set(notes)) == list(Scale.notes), notes
        assert all(abs(after - before) <= 2 for before, after in pairwise(notes)), notes
        assert tom.problems == []
