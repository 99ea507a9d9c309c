"""A real server with marked secrets and real traffic, and a search for the marks in all its output."""

from __future__ import annotations

import asyncio
import base64
import gzip
import html
import io
import json
import logging
import os
import re
import secrets
import shutil
import subprocess
import sys
import traceback
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from pprint import pformat
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import Request, Response
from websockets.exceptions import ConnectionClosed

from tests.server.conftest import Visitor, own_origin
from tests.support import forked
from tests.support.redis_server import RedisServer, redis_server
from tests.support.waiting import GUARD
from tests.workbench.conftest import Page
from voicebot.errors import VoicebotError
from voicebot.experiment.guest import Guest
from voicebot.testing.openai_server import Fail, OpenAIServer, Say
from voicebot.workbench import Workbench

ROOT = Path(__file__).parents[2]
ADDRESS = "203.0.113.77"
UFRAG = "ufragcanary"
SDP = (
    f"v=0\r\no=- 4711 2 IN IP4 {ADDRESS}\r\ns=sdpcanary\r\nt=0 0\r\n"
    f"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 {ADDRESS}\r\na=ice-ufrag:{UFRAG}\r\na=ice-pwd:pwdcanary\r\n"
)
TRAFFIC = ["sdpcanary", UFRAG, "pwdcanary", ADDRESS, "a=ice-", "a=fingerprint", "candidate:", "typ host"]
"""Parts of SDP and candidates that must not be in any log."""


@dataclass
class Leaks:
    """All output of the server, by place."""

    seen: dict[str, list[str]] = field(default_factory=dict)

    def add(self, where: str, text: str) -> None:
        self.seen.setdefault(where, []).append(text)

    def of_secret(self, name: str) -> set[str]:
        """The places that revealed this one of SECRETS, in any form."""
        return {where for trace in traces(name) for where in self.of(trace)}

    def of(self, secret: str, *but: str) -> set[str]:
        return {
            where
            for where, texts in self.seen.items()
            if where not in but and any(secret in text for text in texts)
        }


class Listener(Visitor):
    """A visitor who keeps all frames."""

    leaks: Leaks

    async def next(self) -> dict[str, Any]:
        message = await super().next()
        self.leaks.add("frames", json.dumps(message))
        return message


@dataclass
class Running:
    url: str
    data: Path
    process: BaseProcess
    log: Path


MARKED = {
    "COTURN_SECRET": f"canary-coturn-{secrets.token_hex(8)}",
    "OPENAI_API_KEY": f"canary-openai-{secrets.token_hex(8)}",
    "METRICS_TOKEN": f"canary-metrics-{secrets.token_hex(8)}",
}
IN_ADDRESSES = {
    name: f"canary-{name}-{secrets.token_hex(8)}"
    for place in ("base", "redis", "otel", "hub", "proxy", "mcp", "public")
    for name in (f"{place}-user", f"{place}-query", f"{place}-path")
} | {
    # with every character that is written differently somewhere
    name: f"/c@n&r'y\"<#?:%{name}-{secrets.token_hex(8)}"
    for name in ("base-password", "redis-password", "otel-password", "hub-password", "mcp-password")
}
IN_HEADERS = {
    name: f"canary-{name}-{secrets.token_hex(8)}" for name in ("otel-header", "mcp-header", "mcp-env")
}
SECRETS = {**MARKED, **IN_ADDRESSES, **IN_HEADERS}


def traces(name: str) -> list[str]:
    """What reveals a secret in any encoding: its random part, and all of it in base64, as in Basic."""
    found = [SECRETS[name][-16:]]
    if name.endswith("-password"):
        place = name.removesuffix("-password")
        user = "default" if place == "redis" else IN_ADDRESSES[f"{place}-user"]
        found.append(base64.b64encode(f"{user}:{SECRETS[name]}".encode()).decode().rstrip("=")[4:-4])
    return found


def address(place: str, where: str, path: str = "", *, query: str = "key") -> str:
    """An address with all secrets of a place in it."""
    user = "default" if place == "redis" else IN_ADDRESSES[f"{place}-user"]
    password = quote(IN_ADDRESSES.get(f"{place}-password", ""), safe="")
    scheme, _, host = where.partition("://")
    asked = f"?{query}={IN_ADDRESSES[f'{place}-query']}" if query else ""
    return f"{scheme}://{user}:{password}@{host}{path}{asked}"


def echo() -> str:
    """A careless server or proxy that repeats all it was sent, in every encoding."""
    user, password = IN_ADDRESSES["base-user"], IN_ADDRESSES["base-password"]
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    given = [basic, password, quote(password, safe=""), html.escape(password), MARKED["OPENAI_API_KEY"]]
    given += [IN_ADDRESSES[name] for name in ("base-user", "base-query", "base-path")]
    return f"echoed {' '.join(given)}"


@pytest.fixture
async def brain() -> AsyncIterator[OpenAIServer]:
    """A model server whose errors repeat what it was sent, as real ones do."""
    wrong = Fail(401, f"Incorrect API key provided: {MARKED['OPENAI_API_KEY']}.")
    steps = (Fail(400, echo()), Say("Hello there."), wrong, Say("Hello there."))
    prefix = f"/hooks/{IN_ADDRESSES['base-path']}"
    async with OpenAIServer([step for _ in range(50) for step in steps], prefix=prefix) as server:
        yield server
        server.script.clear()
        server.problems.clear()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    folder = tmp_path / "redis"
    folder.mkdir()
    with redis_server(folder, "--requirepass", IN_ADDRESSES["redis-password"]) as server:
        yield server


@pytest.fixture
def spans(brain: OpenAIServer) -> list[tuple[str, str]]:
    """What a collector receives: the token in its headers, and the spans."""
    got: list[tuple[str, str]] = []

    async def collect(request: Request) -> Response:
        body = await request.body()
        text = (gzip.decompress(body) if request.headers.get("content-encoding") else body).decode("latin-1")
        got.append((request.headers["x-token"], text))
        return Response(media_type="application/x-protobuf")

    brain.app.post("/v1/traces")(collect)
    return got


@pytest.fixture
def env(tmp_path: Path, brain: OpenAIServer, redis: RedisServer) -> dict[str, str]:
    plain = {
        "PORT": "0",
        "DATA_DIR": str(tmp_path / "data"),
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": "json",
        "STT_MODEL": "pocketsphinx",
        "TTS_MODEL": "espeak",
        "DOWNLOAD_TIMEOUT": "0",
        "COTURN_SERVER": "turn:127.0.0.1:9",
        "OPENAI_BASE_URL": address("base", brain.url),
        "OPENAI_MODEL": "test",
        "STORE": address("redis", redis.url, query=""),
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": address("otel", brain.url.replace(brain.prefix, ""), "/traces"),
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-token={IN_HEADERS['otel-header']}",
        "HTTPS_PROXY": address("proxy", "http://127.0.0.1:9"),
        "NO_PROXY": "127.0.0.1,localhost",
        "HF_ENDPOINT": address("hub", "http://127.0.0.1:9", f"/{IN_ADDRESSES['hub-path']}", query=""),
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "400",
    }
    return os.environ | plain | MARKED


async def told(cwd: Path, env: dict[str, str], *command: str) -> str:
    """Everything that a command prints."""
    output = cwd / f"{secrets.token_hex(8)}.log"
    process = forked.start("voicebot", *command, cwd=cwd, output=output, env=env)
    await asyncio.wait_for(forked.ended(process), GUARD)
    return output.read_text()


@pytest.fixture
async def running(tmp_path: Path, env: dict[str, str]) -> AsyncIterator[Running]:
    log = tmp_path / "server.log"
    log.touch()
    process = forked.start("voicebot", "serve", cwd=tmp_path, output=log, env=env)
    try:
        async with asyncio.timeout(GUARD):
            while (found := re.search(r"http://localhost:\d+/", log.read_text())) is None:
                assert process.exitcode is None, log.read_text()
                await asyncio.sleep(0.05)
        yield Running(found[0], tmp_path / "data", process, log)
    finally:
        process.terminate()
        await forked.ended(process)


async def converse(server: Running, leaks: Leaks) -> list[str]:
    """People join, connect, chat and make every mistake. Returns the secrets that they got."""
    given: list[str] = []

    async def come(name: str) -> Listener:
        http = httpx.AsyncClient(base_url=server.url, headers=own_origin(server.url), timeout=30)
        (await http.post("api/session")).raise_for_status()
        given.extend(cookie.value for cookie in http.cookies.jar if cookie.value)
        person = Listener(http, server.url)
        person.leaks = leaks
        await person.open()
        if name == "Ada":  # who made a lobby reads everything that was said in it
            made = {"name": "Own", "slug": "own", "settings": {"private": False}}
            (await http.post("api/lobbies", json=made)).raise_for_status()
        await person.join(name, "own")
        return person

    ada = await come("Ada")
    (await ada.http.post("api/lobbies/own/agents", json={"description": "a captain"})).raise_for_status()
    async with Guest(server.url, "own", name="Guest") as guest:
        await guest.connected()
        await guest.chat("What is the secret?")
        bob = await come("Bob")
        start = await ada.expect("start_webrtc_negotiation", lambda m: m["peer"] == bob.me)
        to_host = await ada.expect("start_webrtc_negotiation", lambda m: m["peer"].startswith("host-"))
        given += [s["credential"] for s in to_host["data"]["ice_servers"] if s.get("credential")]
        candidate = {"candidate": f"candidate:1 1 udp 2130706431 {ADDRESS} 50000 typ host"}
        for peer, epoch in ((bob.me, start["epoch"]), (to_host["peer"], to_host["epoch"]), ("nobody", 1)):
            at = {"peer": peer, "epoch": epoch, "lobby": "own"}
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
        await ada.send("agent_create", {"description": "a pirate"}, lobby="own")
        await ada.expect("agent_created")
        await ada.settle()
        await bob.settle()
        agents = (await ada.http.get("api/lobbies/own/agents")).json()
        asked: list[tuple[str, str, Any]] = [
            ("GET", "", None),
            ("GET", "health", None),
            ("GET", "ready", None),
            ("GET", "metrics", None),
            ("GET", "api/openapi.json", None),
            ("GET", "api/lobbies/own", None),
            ("GET", "api/lobbies/own/ice-servers", None),
            ("GET", "api/nothing", None),
            ("POST", "api/lobbies", {"name": 7}),
            ("POST", "api/lobbies/own/agents", {"description": "a sailor"}),
            ("PATCH", f"api/lobbies/own/agents/{agents[0]['id']}", {"llm": "openai:nonsense"}),
            ("DELETE", f"api/lobbies/own/agents/{agents[-1]['id']}", None),
        ]
        for method, path, body in asked:
            answer = await ada.http.request(method, path, json=body)
            leaks.add("http", answer.text)
            leaks.add("http", str([pair for pair in answer.headers.items() if pair[0] != "set-cookie"]))
        await download(ada, leaks)
        await ada.send("leave_lobby", lobby="own")
    for person in (ada, bob):
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


async def download(host: Listener, leaks: Leaks) -> None:
    """Download the conversation once it contains the server's repetition."""
    path = "api/lobbies/own/conversations"
    [listed] = (await host.http.get(path)).json()
    async with asyncio.timeout(GUARD):
        while True:
            events = await host.http.get(f"{path}/{listed['id']}/events.jsonl")
            if "echoed" in events.text:
                break
    leaks.add("download", events.text)
    archive = await host.http.get(f"{path}/{listed['id']}.zip")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        for name in files.namelist():
            leaks.add("download", files.read(name).decode("latin-1"))


async def fail(tmp_path: Path, env: dict[str, str], redis: RedisServer, leaks: Leaks) -> None:
    """Servers that cannot start print the reason, as text and JSON, and the doctor prints its findings."""
    other = env | {"DATA_DIR": str(tmp_path / "other")}
    refused = redis.url.replace("://", f"://:x{quote(IN_ADDRESSES['redis-password'], safe='')}@")
    speech = {"STT_MODEL": "openai:whisper-1", "STORE": "memory", "LOG_FORMAT": "text"}
    commands = {
        "refused by Redis": (other | {"STORE": refused}, "serve"),
        "refused by the speech server": (other | speech, "serve"),
        "doctor": (env, "doctor"),
    }
    texts = await asyncio.gather(*(told(tmp_path, *command) for command in commands.values()))
    for where, text in zip(commands, texts, strict=True):
        leaks.add(where, text)
    assert "refuses the password" in leaks.seen["refused by Redis"][0]
    assert "whisper-1" in leaks.seen["refused by the speech server"][0]
    assert "language model server" in leaks.seen["doctor"][0]


@pytest.mark.long
async def test_no_secret_and_no_traffic_leaks(
    running: Running,
    brain: OpenAIServer,
    redis: RedisServer,
    spans: list[tuple[str, str]],
    env: dict[str, str],
    tmp_path: Path,
) -> None:
    leaks = Leaks()
    given, _ = await asyncio.gather(converse(running, leaks), fail(tmp_path, env, redis, leaks))
    assert brain.requests, "the language model was not asked"
    # they come to whom they are for
    user, password = IN_ADDRESSES["base-user"], IN_ADDRESSES["base-password"]
    basic = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    asked = [
        (authorization, query)
        for path, authorization, query in zip(brain.paths, brain.authorizations, brain.queries, strict=True)
        if path != "/v1/traces"
    ]
    assert set(asked) == {(basic, f"key={IN_ADDRESSES['base-query']}")}
    assert len(given) >= 3
    running.process.terminate()
    await asyncio.wait_for(forked.ended(running.process), GUARD)
    assert spans
    assert {token for token, _ in spans} == {IN_HEADERS["otel-header"]}
    for _, text in spans:
        leaks.add("spans", text)
    for path in (tmp_path / "redis").rglob("*"):
        if path.is_file():
            leaks.add("redis", path.read_bytes().decode("latin-1"))
    assert "voicebot:lobby:demo" in "".join(leaks.seen["redis"])
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
    for name in SECRETS:
        assert leaks.of_secret(name) == set(), name
    for secret in given:  # a session's cookie, TURN credentials: for those they were given to
        assert leaks.of(secret, "frames", "http") == set()
        assert secret not in MARKED.values()
    for secret in given[:2]:  # the cookies
        assert leaks.of(secret) == set()
    for trace in TRAFFIC:
        assert leaks.of(trace, "frames", "http", "client") == set(), trace


@pytest.mark.long
async def test_no_secret_leaks_into_a_notebook(
    tmp_path: Path,
    brain: OpenAIServer,
    page: Page,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Everything that a cell may show, and what libraries log."""
    caplog.set_level(logging.DEBUG)
    leaks, mcp = Leaks(), tmp_path / "mcp.json"
    at = address("mcp", brain.url.removesuffix("/v1"), f"/{IN_ADDRESSES['mcp-path']}/mcp")
    trains = {"url": at, "headers": {"Authorization": f"Bearer {IN_HEADERS['mcp-header']}"}}
    mcp.write_text(json.dumps({"mcpServers": {"trains": trains}}))
    hub = address("hub", "http://127.0.0.1:9", f"/{IN_ADDRESSES['hub-path']}", query="")
    monkeypatch.setenv("HF_ENDPOINT", hub)
    wb = Workbench(
        port=0,
        data_dir=tmp_path / "data",
        stt_model="pocketsphinx",
        tts_model="espeak",
        openai_base_url=address("base", brain.url),
        openai_model="test",
        openai_api_key=MARKED["OPENAI_API_KEY"],
        coturn_secret=MARKED["COTURN_SECRET"],
        metrics_token=MARKED["METRICS_TOKEN"],
        public_url=address("public", "https://voice.example.org"),
        mcp_config=str(mcp),
    )
    await wb.start()
    try:
        panel = wb.panel()
        await wb.spawn("a lighthouse keeper")
        attempts = {
            "another model": lambda: wb.swap("llm", "openai:another"),
            "speech": lambda: wb.swap("stt", "openai:whisper-1"),
            "download": lambda: wb.swap("stt", "faster-whisper:tiny"),
            "tools": lambda: wb.spawn("a guard", mcp=["trains"]),
            "cell": lambda: wb.settings.model_copy(update={"port": 1}).no_such_attribute,
        }
        for where, attempt in attempts.items():
            with pytest.raises((VoicebotError, AttributeError)) as caught:
                await attempt()
            leaks.add(where, "".join(traceback.format_exception(caught.value)))
            leaks.add(where, repr(caught.value))
        async with asyncio.timeout(GUARD):
            await wb.say("Who are you?")
        leaks.add(
            "settings", f"{wb.settings} {wb.settings!r} {wb.settings.model_dump()} {pformat(wb.settings)}"
        )
        leaks.add("settings", wb.settings.model_dump_json())
        leaks.add("cells", f"{wb!r} {wb.link} {wb.agent_session!r} {wb.moderator!r} {panel!r}")
        for frame in (wb.models, wb.options("llm"), wb.options("stt"), wb.events):
            leaks.add("frames", frame.to_html() + frame.to_json())
        leaks.add("panel", repr(wb.client()._repr_mimebundle_()) + repr(panel._repr_mimebundle_()))
        leaks.add("panel", repr(page.messages))  # the state of every widget, from its making on
    finally:
        await wb.stop()
    leaks.add("log", caplog.text)
    leaks.add("cell", "".join(capsys.readouterr()))
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            leaks.add("data", path.read_bytes().decode("latin-1"))
    assert "echoed" in "".join(leaks.seen["data"])
    assert "HTTP Request" in caplog.text  # a library's own words, with the address
    for name in SECRETS:
        assert leaks.of_secret(name) == set(), name


async def test_the_built_client_contains_no_secret(tmp_path: Path) -> None:
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
