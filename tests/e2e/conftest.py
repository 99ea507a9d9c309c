"""The real thing from outside: a server process, Chromium with a spoken microphone, coturn."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright

from tests.e2e.policy import watch_all
from tests.support.coturn import free_port

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
]


@pytest.fixture(scope="session", autouse=True)
def _needs() -> None:
    missing = [tool for tool in ("chromium", "flite", "sox", "turnserver") if shutil.which(tool) is None]
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
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


Serve = Callable[..., Server]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start `voicebot serve` with the given settings; the voice is one pocketsphinx understands."""
    running: list[Server] = []

    def start(**settings: str) -> Server:
        port = free_port()
        env = {"STT_MODEL": "pocketsphinx", "TTS_MODEL": "flite:slt", "DOWNLOAD_TIMEOUT": "0"}
        env |= {"PORT": str(port), "DATA_DIR": str(tmp_path / "data"), "PYTHONUNBUFFERED": "1"}
        env |= {"DRAIN_SECONDS": "0"}  # pages that stay open are not waited for
        if "OPENAI_BASE_URL" in settings:  # a script: an answer prepared in vain would use one up
            env |= {"SPECULATE": "false"}
        output = tmp_path / f"serve-{port}.log"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "voicebot", "serve"],
                cwd=tmp_path,
                env=os.environ | env | settings,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        server = Server(f"http://127.0.0.1:{port}", tmp_path, process, output)
        running.append(server)
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(server.url + "/ready", timeout=2).read()
                return server
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"the server did not start:\n{server.printed}")
                select_wait(process)

    yield start
    for server in running:
        server.stop()


def select_wait(process: subprocess.Popen[bytes]) -> None:
    """Wait a moment for a process that should stay alive; returns at once when it ends."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.2)


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`speech(text, ...)`: a 48 kHz WAV for the microphone: silence, then the texts, `times` over.

    The microphone begins with the pre-join page; `lead` leaves time to join and be greeted.
    """
    folder = tmp_path_factory.mktemp("speech")

    def make(*texts: str, lead: float = 14.0, pause: float = 3.0, voice: str = "slt", times: int = 1) -> Path:
        name = re.sub(r"\W+", "-", " ".join(texts).lower())[:40] + f"-{lead}-{pause}-{voice}-{times}"
        whole, pieces = folder / f"{name}.wav", []
        for number, text in enumerate(texts):
            plain, padded = folder / f"{name}-plain.wav", folder / f"{name}-{number}.wav"
            subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(plain)], check=True)
            silence = ["pad", "0", str(pause)]
            subprocess.run(["sox", str(plain), "-r", "48000", "-c", "1", str(padded), *silence], check=True)
            pieces.append(str(padded))
        subprocess.run(["sox", *pieces * times, str(whole), "pad", str(lead), "0"], check=True)
        return whole

    return make


@dataclass
class Chromium:
    """Launches browsers, each with its own microphone."""

    playwright: Playwright
    open_ones: list[Browser] = field(default_factory=list)

    async def launch(self, microphone: Path | None, *extra: str) -> Browser:
        # few pictures: two cameras at full speed leave too little of two cores to hear each other well
        args = [*QUIET, "--use-fake-device-for-media-stream=fps=5", *extra]
        if microphone is not None:
            args += [
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-audio-capture={microphone}%noloop",
            ]
        browser = await self.playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        self.open_ones.append(browser)
        return browser

    async def context(self, microphone: Path | None, **options: object) -> BrowserContext:
        browser = await self.launch(microphone)
        return await browser.new_context(**options)  # type: ignore[arg-type]


@pytest.fixture
async def chromium() -> AsyncIterator[Chromium]:
    async with async_playwright() as playwright:
        here = Chromium(playwright)
        yield here
        for browser in here.open_ones:
            await browser.close()


@pytest.fixture
def shots() -> Path:
    """Where screenshots of the run are kept for people to look at."""
    folder = Path(os.environ.get("VOICEBOT_SHOTS") or ROOT / ".bench/screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
