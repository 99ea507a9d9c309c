"""The real thing from outside: a server process, Chromium in which people speak, coturn."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright

from tests.e2e.policy import watch_all
from tests.e2e.room import MICROPHONE
from tests.support import forked
from tests.support.background import Background
from tests.support.coturn import free_port
from tests.support.waiting import GUARD

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ROOT = Path(__file__).parents[2]
STATIC = ROOT / "voicebot" / "server" / "static"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    # few pictures: two cameras at full speed leave too little of two cores to hear each other well
    "--use-fake-device-for-media-stream=fps=5",
]


@pytest.fixture(scope="session", autouse=True)
def _needs() -> None:
    missing = [tool for tool in ("chromium", "flite", "turnserver") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; `make test` says how to install them")
    if not (STATIC / "index.html").is_file():
        pytest.skip("the client is not built: run `make client`")


@pytest.fixture(autouse=True)
def policy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Everything that pages do against the Content-Security-Policy; at the end of a test there is nothing."""
    broken = watch_all(monkeypatch)
    yield broken
    assert broken == []


@dataclass
class Server:
    """A `voicebot serve` process in a folder of its own."""

    url: str
    folder: Path
    process: BaseProcess
    output: Path

    @property
    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    async def says(self, text: str) -> None:
        """Await that it prints this, however the lines are broken."""
        async with asyncio.timeout(GUARD):
            while text not in " ".join(self.printed.split()):
                assert self.process.exitcode is None, self.printed
                await asyncio.sleep(0.1)  # another process: there is nothing to await

    def stop(self) -> None:
        self.process.terminate()
        self.process.join(15)
        self.process.kill()
        self.process.join()


Serve = Callable[..., Server]


@contextmanager
def servers(folder: Path) -> Iterator[Serve]:
    """Starts `voicebot serve` with the given settings; the voice is one pocketsphinx understands."""
    running: list[Server] = []

    def start(**settings: str) -> Server:
        port = free_port()
        env = {"STT_MODEL": "pocketsphinx", "TTS_MODEL": "flite:slt", "DOWNLOAD_TIMEOUT": "0"}
        env |= {"PORT": str(port), "DATA_DIR": str(folder / "data"), "DRAIN_SECONDS": "0"}
        if "OPENAI_BASE_URL" in settings:  # a script: an answer prepared in vain would use one up
            env |= {"SPECULATE": "false"}
        output = folder / f"serve-{port}.log"
        process = forked.start("voicebot", "serve", cwd=folder, output=output, env=env | settings)
        server = Server(f"http://127.0.0.1:{port}", folder, process, output)
        running.append(server)
        deadline = time.monotonic() + GUARD
        while True:
            try:
                urllib.request.urlopen(server.url + "/ready", timeout=2).read()
                return server
            except OSError:
                if process.exitcode is not None or time.monotonic() > deadline:
                    pytest.fail(f"the server did not start:\n{server.printed}")
                process.join(0.1)

    try:
        yield start
    finally:
        for server in running:
            server.stop()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`serve(...)`: a server for this test alone, with the given settings."""
    with servers(tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One without a language model, which the tests of this process share; each takes a lobby of its own."""
    with servers(tmp_path_factory.mktemp("server")) as start:
        yield start()


@cache
def spoken(text: str, pause: float = 0.0) -> bytes:
    """A WAV of somebody who says this, and is silent for `pause` seconds then."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", file.name], check=True)
        with wave.open(file.name, "rb") as plain:
            parameters, frames = plain.getparams(), plain.readframes(plain.getnframes())
    whole = io.BytesIO()
    with wave.open(whole, "wb") as padded:
        padded.setparams(parameters)
        padded.writeframes(frames + bytes(2 * round(pause * parameters.framerate)))
    return whole.getvalue()


@pytest.fixture(scope="session")
def browser_address() -> Iterator[str]:
    """A Chromium that the tests of this process share, by its address for debuggers."""
    port = free_port()
    background = Background()
    driver = background.run(async_playwright().start())
    flags = [
        *QUIET,
        f"--remote-debugging-port={port}",
        "--use-fake-ui-for-media-stream",
        "--ignore-certificate-errors",  # of a TURN server's private authority
    ]
    browser = background.run(driver.chromium.launch(executable_path=CHROMIUM, args=flags))
    yield f"http://127.0.0.1:{port}"
    background.run(browser.close())
    background.run(driver.stop())
    background.close()


@dataclass
class Chromium:
    """The shared browser, and others of one's own."""

    playwright: Playwright
    shared: Browser
    own: list[Browser] = field(default_factory=list)

    async def launch(self, *extra: str) -> Browser:
        """A browser for this test alone; its microphone beeps."""
        browser = await self.playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *extra])
        self.own.append(browser)
        return browser

    async def context(self, **options: object) -> BrowserContext:
        """A window of the shared browser for somebody who is silent until they say something."""
        context = await self.shared.new_context(**options)  # type: ignore[arg-type]
        await context.add_init_script(MICROPHONE)
        return context


@pytest.fixture
async def chromium(browser_address: str) -> AsyncIterator[Chromium]:
    async with async_playwright() as playwright:
        here = Chromium(playwright, await playwright.chromium.connect_over_cdp(browser_address))
        yield here
        for browser in (*here.own, here.shared):  # of the shared one only this test's windows
            await browser.close()


@pytest.fixture
def shots() -> Path:
    """Where screenshots of the run are kept for people to look at."""
    folder = Path(os.environ.get("VOICEBOT_SHOTS") or ROOT / ".bench/screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
