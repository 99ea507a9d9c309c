"""Notebook cells that block while an agent speaks, and what arrives of its voice in another process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient

from tests.support.waiting import GUARD
from voicebot.clock import monotonic
from voicebot.experiment.guest import Guest
from voicebot.rtc.caller import ReceivedFrame

START = """
from voicebot.workbench import Workbench
wb = Workbench()
await wb.start()
agent = await wb.spawn("someone who talks", name="Talker")
print(wb._started().local_url, wb.agent_session.lobby.id, agent.id)
"""

# a tone of five minutes straight into the media plane: how long the agent talks is then known
SPEAK = """
import numpy as np
t = np.arange(300 * 16_000) / 16_000
tone = (9000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
from voicebot.media.base import EndSpeech, QueueAudio
host = wb.agent_session.host_peer
wb.agent_session._plane.send(QueueAudio(host, agent.id, "test-speech", 0, tone, 16_000))
wb.agent_session._plane.send(EndSpeech(host, agent.id, "test-speech"))
"""

WATCH = """
import asyncio
from voicebot.events import LoopStall
stalled = asyncio.Event()
session = wb.agent_session
session.subscribe(lambda event: stalled.set() if isinstance(event, LoopStall) and event.seconds > 1 else None)
"""
STALLED = """
await asyncio.wait_for(stalled.wait(), 60)
stalled.clear()
"""

BLOCK = {
    "sleep": "import time; time.sleep(seconds)",
    "python": """
while monotonic() < began + seconds:
    sum(range(1000))
""",
    # one call into C that does not let go of the interpreter: backtracking, doubled until it is long enough
    "regex": """
import re
n = 20
while True:
    began = monotonic()
    re.match(r"(a+)+$", "a" * n + "b")
    if monotonic() - began > seconds:
        break
    n += 1
""",
    "pandas": """
import numpy as np, pandas as pd
while monotonic() < began + seconds:
    frame = pd.DataFrame({"k": np.random.randint(0, 10**5, 10**6).astype(str), "v": np.random.rand(10**6)})
    frame.groupby("k").v.mean().sort_values()
""",
}
"""Cells that block for some `seconds`; `began` is when."""
BLOCKING = """
from voicebot.clock import monotonic
seconds, began = {seconds}, monotonic()
{cell}
print(began, monotonic())
"""


class OwnKernel(AsyncKernelManager):
    """This Python's ipykernel, whatever kernels the machine has installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


@dataclass
class Notebook:
    """A running kernel that cells are sent to, one after the other."""

    client: NotebookClient

    async def run(self, source: str) -> str:
        """Run a cell; what it printed."""
        cell = nbformat.v4.new_code_cell(source)
        self.client.nb.cells.append(cell)
        done = await self.client.async_execute_cell(cell, len(self.client.nb.cells) - 1)
        return "".join(output.get("text", "") for output in done.outputs)


@asynccontextmanager
async def notebook(folder: Path) -> AsyncIterator[Notebook]:
    """A kernel of its own process that works in `folder`."""
    env = os.environ | {
        "DATA_DIR": str(folder / "data"),
        "PORT": "0",
        "STT_MODEL": "pocketsphinx",
        "TTS_MODEL": "espeak",
        "IPYTHONDIR": str(folder / "ipython"),
    }
    resources: dict[str, Any] = {"metadata": {"path": str(folder)}}
    client = NotebookClient(nbformat.v4.new_notebook(), km=OwnKernel(), timeout=100, resources=resources)
    async with client.async_setup_kernel(env=env, cleanup_kc=True):
        yield Notebook(client)


class Listener:
    """When the agent's tone arrived here, in this process."""

    def __init__(self) -> None:
        self.arrived: list[float] = []
        self._tone = asyncio.Event()

    def __call__(self, heard: ReceivedFrame) -> None:
        spectrum = np.abs(np.fft.rfft(heard.pcm.astype(np.float64)))
        loud = np.abs(heard.pcm).max() > 3000
        if loud and abs(np.argmax(spectrum) * 48_000 / len(heard.pcm) - 440) < 60:
            self.arrived.append(heard.time)
            self._tone.set()

    async def more_after(self, time: float) -> None:
        """Until the tone was heard later than `time`."""
        async with asyncio.timeout(GUARD):
            while not self.arrived or self.arrived[-1] <= time:
                self._tone.clear()
                await self._tone.wait()

    def within(self, begin: float, end: float) -> list[float]:
        return [time for time in self.arrived if begin <= time <= end]


@dataclass(frozen=True)
class Blocked:
    """From when to when a cell blocked, and when packets of the tone arrived elsewhere meanwhile."""

    began: float
    ended: float
    heard: list[float]

    @property
    def longest_gap(self) -> float:
        """Seconds."""
        return max(b - a for a, b in pairwise([self.began, *self.heard, self.ended]))


@dataclass(frozen=True)
class Speaking:
    """A workbench in a notebook whose agent talks on and on, and a listener in this process."""

    notebook: Notebook
    listener: Listener

    async def block(self, way: str, seconds: float) -> Blocked:
        """Run the cell `BLOCK[way]`; returns when the workbench's own log says that its loop was blocked."""
        cell = BLOCKING.format(seconds=seconds, cell=BLOCK[way])
        began, ended = map(float, (await self.notebook.run(cell)).split())
        await self.listener.more_after(ended)
        await self.notebook.run(STALLED)
        return Blocked(began, ended, self.listener.within(began, ended))


@asynccontextmanager
async def speaking(folder: Path) -> AsyncIterator[Speaking]:
    """A notebook that works in `folder`, with an agent that is being heard."""
    listener = Listener()

    def heard(frame: ReceivedFrame) -> None:
        if frame.participant_id == agent_id:
            listener(frame)

    async with notebook(folder) as kernel:
        url, lobby, agent_id = (await kernel.run(START)).split()
        async with Guest(url, lobby, name="Listener", on_heard=heard) as guest:
            await guest.connected()
            await kernel.run("await wb.quiet()")  # it greets first
            await kernel.run(WATCH)
            spoke = monotonic()
            await kernel.run(SPEAK)
            await listener.more_after(spoke)
            yield Speaking(kernel, listener)
