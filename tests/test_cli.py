"""The command as people run it: a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from websockets import Origin
from websockets.asyncio.client import connect

from tests.support.waiting import GUARD
from voicebot.server.version import __version__

Command = Callable[..., Awaitable[tuple[int, str]]]
OFFLINE = {"STT_MODEL": "pocketsphinx", "TTS_MODEL": "espeak", "DOWNLOAD_TIMEOUT": "0", "COLUMNS": "200"}


@asynccontextmanager
async def voicebot(folder: Path, *arguments: str, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voicebot", *arguments,
        cwd=folder, env={**os.environ, **OFFLINE, **env}, start_new_session=True,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run(folder: Path, *arguments: str, **env: str) -> tuple[int, str]:
    async with asyncio.timeout(GUARD), voicebot(folder, *arguments, **env) as process:
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()


async def read_until(process: asyncio.subprocess.Process, text: str) -> str:
    assert process.stdout is not None
    seen = ""
    async with asyncio.timeout(GUARD):
        while text not in seen:
            line = (await process.stdout.readline()).decode()
            assert line, f"ended before {text!r}:\n{seen}"
            seen += line
    return seen


async def test_serve_prints_the_address_and_models_and_stops_cleanly(tmp_path: Path) -> None:
    """When it is interrupted; SIGTERM is sent in test_drain.py."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with voicebot(tmp_path, "serve", "--port", str(port)) as process:
            said = await read_until(process, "Ctrl-C")
            address = re.search(r"http://localhost:(\d+)/\?lobby=demo", said)
            assert address is not None
            assert f"Port {port} is taken, so the server listens on port {address[1]}." in said
            for part in ("pocketsphinx", "espeak", "offline", "STT_MODEL=faster-whisper", "OPENAI_BASE_URL"):
                assert part in said
            async with httpx.AsyncClient() as http:
                assert (await http.get(f"http://localhost:{address[1]}/ready")).json()["ready"] is True
            process.send_signal(signal.SIGINT)
            output, _ = await asyncio.wait_for(process.communicate(), GUARD)
            assert process.returncode == 0
            assert "Stopped." in output.decode()
            assert "Traceback" not in output.decode()


@pytest.mark.long
async def test_the_json_log_has_one_object_per_line_and_names_nobody(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voicebot", "serve", "--port", "0",
        cwd=tmp_path, env={**os.environ, **OFFLINE, "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        address = re.search(r"http://localhost:\d+/", await read_until(process, "Ctrl-C"))
        assert address is not None
        async with httpx.AsyncClient(base_url=address[0], headers={"Origin": address[0].rstrip("/")}) as http:
            session = (await http.post("api/session")).json()["session"]
            cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in http.cookies.jar)
            origin = Origin(address[0].rstrip("/"))
            headers = {"Cookie": cookies}
            async with connect(f"ws{address[0][4:]}ws", origin=origin, additional_headers=headers) as page:
                join = {
                    "v": 1,
                    "type": "join_lobby",
                    "id": "1",
                    "lobby": "demo",
                    "data": {"name": "Ada Marked"},
                }
                await page.send(json.dumps(join))
                while json.loads(await page.recv())["type"] != "start_webrtc_negotiation":
                    pass
        process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(process.communicate(), GUARD)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    lines = [json.loads(line) for line in errors.decode().splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    about = [line for line in lines if line.get("session") == session]
    assert {line.get("lobby") for line in about} >= {"demo"}
    assert all(line["request"] for line in about)
    assert "Marked" not in errors.decode()
    assert cookies.partition("=")[2] not in errors.decode()


async def test_a_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    async with voicebot(tmp_path, "serve", "--port", "0") as process:
        await read_until(process, "Ctrl-C")
        [media] = [
            child
            for child in psutil.Process(process.pid).children()
            if "voicebot.media.process.worker" in child.cmdline()
        ]
        media.suspend()  # so that stopping in good order takes long
        try:
            process.send_signal(signal.SIGINT)
            await read_until(process, "Stopping ...")
            process.send_signal(signal.SIGINT)
            output, _ = await asyncio.wait_for(process.communicate(), GUARD)
        finally:
            media.kill()
        assert process.returncode == 128 + signal.SIGINT
        assert "Stopped." not in output.decode()


async def test_people_on_other_machines_are_told_the_address(tmp_path: Path) -> None:
    addresses = [
        a.address for name in psutil.net_if_addrs().values() for a in name if a.family == socket.AF_INET
    ]
    own = next((a for a in addresses if not a.startswith("127.")), None)
    if own is None:
        pytest.skip("this machine is in no network")
    async with voicebot(tmp_path, "serve", "--port", "0", "--host", own) as process:
        said = await read_until(process, "Ctrl-C")
    assert f"Other machines can open http://{own}:" in said


@pytest.mark.parametrize(
    ("env", "code", "says"),
    [
        ({"PORT": "many"}, 2, "PORT"),
        ({"LOG_LEVEL": "LOUD"}, 2, "LOG_LEVEL"),
        ({"HOST": "192.0.2.1", "PORT": "0"}, 2, "Cannot listen"),
        ({"COTURN_SERVER": "http://x"}, 2, "COTURN_SERVER"),
        ({"STT_MODEL": "nonsense:x", "PORT": "0"}, 1, "Known ones"),
        ({"DATA_DIR": "/dev/null/data"}, 1, "DATA_DIR"),
    ],
)
async def test_wrong_settings_end_with_a_message(
    tmp_path: Path, env: dict[str, str], code: int, says: str
) -> None:
    returned, output = await run(tmp_path, "serve", **env)
    assert returned == code
    assert says in output
    assert "Traceback" not in output


async def test_an_unreadable_env_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"PORT=\xff\xfe")
    returned, output = await run(tmp_path, "serve")
    assert (returned, ".env" in output, "Traceback" in output) == (2, True, False)


async def test_doctor_prints_json_for_programs(tmp_path: Path) -> None:
    returned, output = await run(tmp_path, "doctor", "--json", PORT="0")
    content = json.loads(output)
    assert content["checks"]
    assert content["ok"] == (returned == 0)


async def test_version(tmp_path: Path) -> None:
    assert await run(tmp_path, "version") == (0, f"{__version__}\n")


async def test_coturn_prints_a_configuration_and_what_to_do_with_it(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voicebot", "coturn", "--realm", "turn.example.org"),
        *("--cert", "/etc/cert.pem", "--key", "/etc/key.pem"),
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, said = await asyncio.wait_for(process.communicate(), GUARD)
    conf = output.decode()
    [secret] = re.findall(r"^static-auth-secret=(.+)$", conf, re.MULTILINE)
    assert process.returncode == 0
    assert "realm=turn.example.org" in conf
    assert "$" not in conf
    assert f"COTURN_SECRET={secret}" in said.decode()
    assert "doctor --turn" in said.decode()


async def test_coturn_uses_the_secret_from_env_and_does_not_print_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("COTURN_SERVER=turns:turn.example.org\nCOTURN_SECRET=from-the-file\n")
    code, output = await run(tmp_path, "coturn")
    assert code == 0
    assert output.count("from-the-file") == 1
    assert "static-auth-secret=from-the-file\nrealm=turn.example.org\n" in output
    code, output = await run(tmp_path, "coturn", "--cert", "cert.pem")
    assert code == 2
    assert "Give --cert and --key." in output
    assert "from-the-file" not in output
