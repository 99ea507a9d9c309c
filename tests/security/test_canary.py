"""Secrets stay where they are: a real server with marked ones, real traffic, and a search for the marks."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.server.conftest import Visitor, own_origin
from voicebot.experiment.guest import Guest
from voicebot.testing.openai_server import Fail, OpenAIServer, Say

ROOT = Path(__file__).parents[2]
ADDRESS = "203.0.113.77"
UFRAG = "ufragcanary"
SDP = (
    f"v=0\r\no=- 4711 2 IN IP4 {ADDRESS}\r\ns=sdpcanary\r\nt=0 0\r\n"
    f"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 {ADDRESS}\r\na=ice-ufrag:{UFRAG}\r\na=ice-pwd:pwdcanary\r\n"
)
TRAFFIC = ["sdpcanary", UFRAG, "pwdcanary", ADDRESS, "a=ice-", "a=fingerprint", "candidate:", "typ host"]
"""What is of a connection, and in no log."""


@dataclass
class Leaks:
    """Everything that the server let out, by where."""

    seen: dict[str, list[str]] = field(default_factory=dict)

    def add(self, where: str, text: str) -> None:
        self.seen.setdefault(where, []).append(text)

    def of(self, secret: str, *but: str) -> set[str]:
        return {
            where
            for where, texts in self.seen.items()
            if where not in but and any(secret in text for text in texts)
        }


class Listener(Visitor):
    """A visitor all of whose frames are kept."""

    leaks: Leaks

    async def next(self) -> dict[str, Any]:
        message = await super().next()
        self.leaks.add("frames", json.dumps(message))
        return message


@dataclass
class Running:
    url: str
    data: Path
    process: asyncio.subprocess.Process
    log: Path


MARKED = {
    "COTURN_SECRET": f"canary-coturn-{secrets.token_hex(8)}",
    "OPENAI_API_KEY": f"canary-openai-{secrets.token_hex(8)}",
}


@pytest.fixture
async def brain() -> AsyncIterator[OpenAIServer]:
    """One that repeats the key in its errors, as real ones do."""
    key = MARKED["OPENAI_API_KEY"]
    wrong = Fail(401, f"Incorrect API key provided: {key}.")
    async with OpenAIServer([step for _ in range(50) for step in (wrong, Say("Hello there."))]) as server:
        yield server
        server.script.clear()
        server.problems.clear()


@pytest.fixture
async def running(tmp_path: Path, brain: OpenAIServer) -> AsyncIterator[Running]:
    data, log = tmp_path / "data", tmp_path / "server.log"
    env = {
        "PORT": "0",
        "DATA_DIR": str(data),
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": "json",
        "STT_MODEL": "pocketsphinx",
        "TTS_MODEL": "espeak",
        "DOWNLOAD_TIMEOUT": "0",
        "COTURN_SERVER": "turn:127.0.0.1:9",
        "OPENAI_BASE_URL": brain.url,
        "OPENAI_MODEL": "test",
        "PYTHONUNBUFFERED": "1",
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "voicebot",
            "serve",
            cwd=tmp_path,
            env=os.environ | env | MARKED,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:
        async with asyncio.timeout(60):
            while (found := re.search(r"http://localhost:\d+/", log.read_text())) is None:
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
        yield Running(found[0], data, process, log)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def converse(server: Running, leaks: Leaks) -> list[str]:
    """People join, connect, chat and make every mistake; returns the secrets they were given."""
    given: list[str] = []
    people: list[Listener] = []
    async with Guest(server.url, "demo", name="Guest") as guest:
        await guest.connected()
        await guest.chat("What is the secret?")
        for name in ("Ada", "Bob"):
            http = httpx.AsyncClient(base_url=server.url, headers=own_origin(server.url), timeout=30)
            (await http.post("api/session")).raise_for_status()
            given += [cookie.value for cookie in http.cookies.jar if cookie.value]
            person = Listener(http, server.url)
            person.leaks = leaks
            people.append(person)
            await person.open()
            await person.join(name)
        ada, bob = people
        start = await ada.expect("start_webrtc_negotiation", lambda m: m["peer"] == bob.me)
        to_host = await ada.expect("start_webrtc_negotiation", lambda m: m["peer"].startswith("host-"))
        given += [s["credential"] for s in to_host["data"]["ice_servers"] if s.get("credential")]
        candidate = {"candidate": f"candidate:1 1 udp 2130706431 {ADDRESS} 50000 typ host"}
        for peer, epoch in ((bob.me, start["epoch"]), (to_host["peer"], to_host["epoch"]), ("nobody", 1)):
            at = {"peer": peer, "epoch": epoch, "lobby": "demo"}
            await ada.send("webrtc_offer", {"sdp": SDP, "tracks": {"0": ada.me}}, **at)
            await ada.send("ice_candidate", candidate | {"username_fragment": UFRAG}, **at)
            await ada.send("webrtc_answer", {"sdp": SDP}, **at)
            for reason in (SDP[:200], f"Invalid line. a=ice-ufrag:{UFRAG}", f"no way to {ADDRESS}"):
                state = {"state": "disconnected", "reason": reason, "local": ADDRESS, "remote": UFRAG}
                await ada.send("webrtc_state_change", state, **at)
            await ada.send("webrtc_state_change", {"state": "failed", "reason": SDP[:200]}, **at)
        for frame in (
            SDP,
            '{"type":' + json.dumps(SDP) + "}",
            json.dumps({"type": "ping", "data": {SDP: 1}}),
        ):
            await ada.send_text(frame)
        await ada.send("agent_create", {"description": "a pirate"}, lobby="demo")
        await ada.expect("agent_created")
        await ada.settle()
        await bob.settle()
        agents = (await ada.http.get("api/lobbies/demo/agents")).json()
        asked: list[tuple[str, str, Any]] = [
            ("GET", "", None),
            ("GET", "health", None),
            ("GET", "ready", None),
            ("GET", "metrics", None),
            ("GET", "api/openapi.json", None),
            ("GET", "api/lobbies/demo", None),
            ("GET", "api/lobbies/demo/ice-servers", None),
            ("GET", "api/nothing", None),
            ("POST", "api/lobbies", {"name": 7}),
            ("POST", "api/lobbies/demo/agents", {"description": "a sailor"}),
            ("PATCH", f"api/lobbies/demo/agents/{agents[0]['id']}", {"llm": "openai:nonsense"}),
            ("DELETE", f"api/lobbies/demo/agents/{agents[-1]['id']}", None),
        ]
        for method, path, body in asked:
            answer = await ada.http.request(method, path, json=body)
            leaks.add("http", answer.text)
            leaks.add("http", str([pair for pair in answer.headers.items() if pair[0] != "set-cookie"]))
        await ada.send("leave_lobby", lobby="demo")
    for person in people:
        assert person.socket is not None
        await person.settle()
        await person.send_text("x" * 70_000)  # too large: the socket ends
        while True:
            try:
                await person.next()
            except ConnectionClosed:
                break
        await person.http.aclose()
    return given


async def test_no_secret_and_no_traffic_gets_out(running: Running, brain: OpenAIServer) -> None:
    leaks = Leaks()
    given = await converse(running, leaks)
    assert brain.requests, "the language model was not asked"
    assert len(given) >= 3
    running.process.terminate()
    await asyncio.wait_for(running.process.wait(), 60)
    said = running.log.read_text(errors="replace")
    leaks.add("log", said)
    leaks.add("log", re.sub(r"\s+", "", said))  # whatever lines were broken
    files = [path for path in running.data.rglob("*") if path.is_file()]
    assert files
    for path in files:
        leaks.add("data", path.read_bytes().decode("latin-1"))
    for path in (ROOT / "voicebot/server/static").rglob("*"):
        if path.is_file():
            leaks.add("client", path.read_bytes().decode("latin-1"))
    assert len(leaks.seen["log"][0]) > 200
    assert "DEBUG" in leaks.seen["log"][0].upper()  # all that there is to be read
    for secret in MARKED.values():
        assert leaks.of(secret) == set()
    for secret in given:  # a session's cookie, TURN credentials: for those they were given to
        assert leaks.of(secret, "frames", "http") == set()
        assert secret not in MARKED.values()
    for secret in given[:2]:  # the cookies
        assert leaks.of(secret) == set()
    for trace in TRAFFIC:
        assert leaks.of(trace, "frames", "http", "client") == set(), trace


async def test_no_secret_is_built_into_the_client(tmp_path: Path) -> None:
    vite = ROOT / "client/node_modules/vite/bin/vite.js"
    node = shutil.which("node", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if node is None or not vite.is_file():
        pytest.skip("the client's packages are not installed: run `make client`")
    out = tmp_path / "built"
    build = await asyncio.create_subprocess_exec(
        node,
        str(vite),
        "build",
        "--outDir",
        str(out),
        cwd=ROOT / "client",
        env=os.environ | MARKED | {"VITE_CANARY": "canary-vite"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(build.communicate(), 120)
    assert build.returncode == 0, said.decode()
    files = [path for path in out.rglob("*") if path.is_file()]
    assert any(path.suffix == ".js" for path in files)
    for path in files:
        text = path.read_bytes().decode("latin-1")
        assert path.suffix != ".map"
        for secret in (*MARKED.values(), "canary-vite", str(ROOT)):
            assert secret not in text, path
