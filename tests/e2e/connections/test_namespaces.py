"""Two networks that reach each other through TURN alone.

The server and coturn, with the shipped configuration, run on a machine in the middle that forwards
nothing; the agents' media worker is in one network, a simulated person in the other.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.coturn import configured
from tests.support.waiting import GUARD
from voicebot.signaling.coturn import CoturnOptions, turnserver_conf

SECRET = "for-tests-only"
MIDDLE = "11.11.0.1"
"""In the middle; addresses are such that a strict coturn relays to them, and are routed nowhere."""
QUESTION = "hello what is the weather in paris today"
PORT = 8000

SERVE = """
import multiprocessing.spawn, sys
sys.executable = sys.argv.pop(1)  # what starts the media worker in the agents' network
from voicebot.cli import main
main()
"""
ONE_ATTEMPT = """
from functools import partial
from voicebot.signaling import negotiation
negotiation.Timeouts = partial(negotiation.Timeouts, attempts=1)
"""
GUEST = """
import asyncio, json, sys
import numpy as np
from voicebot.experiment.guest import Guest
from voicebot.settings import load_settings
from voicebot.tts.flite import FliteTTS

class Telling(Guest):
    async def _handle(self, message):
        print(message.model_dump_json(), flush=True)
        await super()._handle(message)

async def main(url, text):
    loud = asyncio.Event()
    def heard(frame):
        if np.abs(frame.pcm).max() > 1000 and not loud.is_set():
            loud.set()
            print('{"type": "heard"}', flush=True)
    tts = await FliteTTS.load("slt", load_settings(None))
    async with Telling(url, "demo", name="Tom", tts=tts, on_heard=heard) as tom:
        await asyncio.wait_for(tom._host_ready.wait(), 60)
        print('{"type": "connected"}', flush=True)
        while True:
            await loud.wait()  # the greeting, then the answers
            loud.clear()
            await tom.say(text)

asyncio.run(main(*sys.argv[1:]))
"""


@dataclass(frozen=True)
class Networks:
    """Names of the namespaces: the agents', the person's and the one in the middle."""

    agents: str
    person: str
    middle: str

    def within(self, name: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", name)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def networks() -> Iterator[Networks]:
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and iproute2")
    mark = f"vb{os.getpid() % 100_000}"
    made = Networks(f"{mark}a", f"{mark}b", f"{mark}m")
    names = (made.agents, made.person, made.middle)
    try:
        try:
            for name in names:
                ip("netns", "add", name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are impossible here: {error.stderr.decode().strip()}")
        for name in names:
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", made.middle, "addr", "add", f"{MIDDLE}/32", "dev", "lo")
        off = "echo 0 > /proc/sys/net/ipv4/ip_forward"
        subprocess.run([*made.within(made.middle), "sh", "-c", off], check=True)
        for number, name in enumerate((made.agents, made.person), 1):
            near, far = f"{name}0", f"{name}1"
            ip("-n", made.middle, "link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
            ip("-n", made.middle, "addr", "add", f"11.11.{number}.1/24", "dev", near)
            ip("-n", made.middle, "link", "set", near, "up")
            ip("-n", name, "addr", "add", f"11.11.{number}.2/24", "dev", far)
            ip("-n", name, "link", "set", far, "up")
            ip("-n", name, "route", "add", "default", "via", f"11.11.{number}.1")
        yield made
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


@asynccontextmanager
async def running(*command: str, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Its output as it comes; ended at the end."""
    process = await asyncio.create_subprocess_exec(
        *command, env=os.environ | env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def until(process: asyncio.subprocess.Process, wanted: str) -> str:
    """What it prints until a line has `wanted` in it."""
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(GUARD):
        while wanted not in said.rpartition("\n")[2]:
            line = (await process.stdout.readline()).decode(errors="replace")
            assert line, f"ended before {wanted!r}:\n{said}"
            said = f"{said}\n{line.rstrip()}"
    return said


@asynccontextmanager
async def serving(
    networks: Networks, folder: Path, program: str = SERVE, **settings: str
) -> AsyncIterator[str]:
    """A server in the middle whose media worker is in the agents' network; its address."""
    worker = folder / "python"
    worker.write_text(f'#!/bin/sh\nexec ip netns exec {networks.agents} {sys.executable} "$@"\n')
    worker.chmod(0o755)
    settings |= {"STT_MODEL": "pocketsphinx", "TTS_MODEL": "flite:slt", "DOWNLOAD_TIMEOUT": "0"}
    settings |= {"DATA_DIR": str(folder / "data"), "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    command = [*networks.within(networks.middle), sys.executable, "-c", program, str(worker)]
    async with running(*command, "serve", "--host", MIDDLE, "--port", str(PORT), **settings) as server:
        await until(server, "Ctrl-C")
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(_drain(server))
            yield f"http://{MIDDLE}:{PORT}"
            reading.cancel()


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while await process.stdout.readline():
        pass


def guest(networks: Networks, url: str) -> list[str]:
    return [*networks.within(networks.person), sys.executable, "-c", GUEST, url, QUESTION]


def messages(said: str, type: str) -> list[Any]:
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return [line for line in lines if line["type"] == type]


async def test_people_and_agents_can_talk_through_turn_only(networks: Networks, tmp_path: Path) -> None:
    conf = turnserver_conf(CoturnOptions("voicebot.test", SECRET, listening_ip=MIDDLE))
    middle = networks.within(networks.middle)
    turn = {"COTURN_SERVER": f"turn:{MIDDLE}:3478", "COTURN_SECRET": SECRET}
    with configured(tmp_path, conf, address=MIDDLE, ports=(3478,), within=middle):
        async with serving(networks, tmp_path, **turn) as url, running(*guest(networks, url)) as tom:
            said = await until(tom, '"connected"')
            assert not messages(said, "webrtc_failed")
            await until(tom, '"heard"')  # the agent's greeting
            # what the agents understood of the person, who repeats it: a busy machine tears speech apart
            await until(tom, "weather in paris")


@pytest.mark.long
async def test_without_turn_there_is_no_path_and_people_are_told(networks: Networks, tmp_path: Path) -> None:
    server = serving(networks, tmp_path, ONE_ATTEMPT + SERVE)  # three are tested in virtual time
    async with server as url, running(*guest(networks, url)) as tom:
        said = await until(tom, '"webrtc_failed"')
    assert not messages(said, "connected")
    [failed] = messages(said, "webrtc_failed")
    assert failed["data"]["code"] in {"ice_failed", "timeout"}
    assert "TURN" in failed["data"]["message"] or "connect" in failed["data"]["message"]
