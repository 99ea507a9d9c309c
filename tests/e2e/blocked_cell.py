"""How long an agent falls silent while a notebook cell blocks: measured where the sound arrives."""

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

# a tone of two minutes straight into the media plane: how long the agent talks is then known
SPEAK = """
import numpy as np
from voicebot.media.base import EndSpeech, QueueAudio
t = np.arange(120 * 48_000) / 48_000
tone = (9000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
plane, speech = wb.agent_session._plane, (wb.agent_session.host_peer, agent.id, "test-speech")
plane.send(QueueAudio(*speech, 0, tone, 48_000))
plane.send(EndSpeech(*speech))
"""

WATCH = """
import asyncio
from voicebot.events import LoopStall
stalled = asyncio.Event()
session = wb.agent_session
session.subscribe(lambda event: stalled.set() if isinstance(event, LoopStall) and event.seconds > 1 else None)
"""
STALLS = """
await asyncio.wait_for(stalled.wait(), 20)
stalled.clear()
print(*wb.events.query('type == "loop_stall"').seconds)
"""

BLOCK = {
    "sleep": "import time; time.sleep(3)",
    "python": """
import time
end = time.perf_counter() + 3
while time.perf_counter() < end:
    sum(range(1000))
""",
    # one call into C that does not let go of the interpreter: backtracking, doubled up to 2 s
    "regex": """
import re, time
n, took = 20, 0.0
while took < 2:
    began = time.perf_counter()
    re.match(r"(a+)+$", "a" * n + "b")
    took, n = time.perf_counter() - began, n + 1
""",
    "pandas": """
import time
import numpy as np, pandas as pd
end = time.perf_counter() + 3
while time.perf_counter() < end:
    frame = pd.DataFrame({"k": np.random.randint(0, 10**5, 10**6).astype(str), "v": np.random.rand(10**6)})
    frame.groupby("k").v.mean().sort_values()
""",
}


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
        async with asyncio.timeout(30):
            while not self.arrived or self.arrived[-1] <= time:
                self._tone.clear()
                await self._tone.wait()

    def longest_gap(self, begin: float, end: float) -> float:
        within = [begin, *(t for t in self.arrived if begin <= t <= end), end]
        return max(b - a for a, b in pairwise(within))


@dataclass(frozen=True)
class Blocked:
    """What one blocking cell did, in seconds."""

    lasted: float
    longest_gap: float
    """Between two packets of a speech, as they arrive at a listener in another process."""
    stalls: list[float]
    """What the workbench's own log says about its loop."""


async def block(notebook: Notebook, *ways: str) -> dict[str, Blocked]:
    """Run the cells `BLOCK[way]`, one after the other, while an agent talks."""
    url, lobby, agent_id = (await notebook.run(START)).split()
    listener = Listener()
    found: dict[str, Blocked] = {}

    def heard(frame: ReceivedFrame) -> None:
        if frame.participant_id == agent_id:
            listener(frame)

    async with Guest(url, lobby, name="Listener", on_heard=heard) as guest:
        await guest.connected()
        await notebook.run("await wb.quiet()")  # it greets first
        await notebook.run(WATCH)
        spoke = monotonic()
        await notebook.run(SPEAK)
        await listener.more_after(spoke)
        seen = 0
        for way in ways:
            began = monotonic()
            await notebook.run(BLOCK[way])
            ended = monotonic()
            await listener.more_after(ended)
            stalls = [float(seconds) for seconds in (await notebook.run(STALLS)).split()]
            found[way] = Blocked(ended - began, listener.longest_gap(began, ended), stalls[seen:])
            seen = len(stalls)
    return found
