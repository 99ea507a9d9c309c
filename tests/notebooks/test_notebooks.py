"""Every notebook from the first cell to the last, in a real kernel with a real server."""

from __future__ import annotations

import ast
import asyncio
import os
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import psutil
import pytest
from nbclient import NotebookClient

from tests.e2e.blocked_cell import OwnKernel
from tests.support.waiting import GUARD

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def outputs(notebook: Any) -> str:
    """All text a reader sees."""
    return "\n".join(outputs_of(notebook, cell.id) for cell in notebook.cells)


def outputs_of(notebook: Any, cell_id: str) -> str:
    """The text below one cell."""
    [cell] = [cell for cell in notebook.cells if cell.id == cell_id]
    return "\n".join(
        o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.get("outputs", [])
    )


async def value(client: NotebookClient, expression: str) -> str:
    """What the kernel says it is, in a cell of its own at the end."""
    client.nb.cells.append(nbformat.v4.new_code_cell(expression))
    done = await client.async_execute_cell(client.nb.cells[-1], len(client.nb.cells) - 1)
    return str(done.outputs[0]["data"]["text/plain"])


@pytest.fixture
def kernel_env(tmp_path: Path) -> dict[str, str]:
    """Small models, an own data folder, any free port."""
    return os.environ | {
        "DATA_DIR": str(tmp_path / "data"),
        "PORT": "0",
        "STT_MODEL": "pocketsphinx",
        "TTS_MODEL": "espeak",
        "DOWNLOAD_TIMEOUT": "0",
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }


def test_there_are_notebooks():
    assert [path.name for path in NOTEBOOKS] == ["01_quickstart.ipynb", "02_conversations.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_without_outputs_and_reads_as_text(path):
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert len(cell.source.splitlines()) <= 30
        lines = cell.source.splitlines()
        assert max(map(len, lines)) <= 110, lines


async def test_the_quickstart_swaps_to_a_voice_of_this_machine_whatever_else_is_ready():
    """One that costs money, or that a server does not have, is never chosen unasked."""
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    [cell] = [cell for cell in notebook.cells if cell.id == "01-19"]
    taken: list[tuple[str, str]] = []

    class Wb:
        async def swap(self, role: str, spec: str) -> None:
            taken.append((role, spec))

        async def say(self, text: str) -> str:
            return text

    specs = ["espeak", "flite:slt", "flite:rms", "other:voice", "openai:tts-1", "openai:tts-1-hd"]
    voices = pd.DataFrame({"status": "ready"}, index=pd.Index(specs, name="model"))
    voices.loc["flite:rms", "status"] = "missing"
    code = compile(cell.source, "01-19", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    await eval(code, {"wb": Wb(), "voices": voices})
    assert taken == [("tts", "flite:slt")]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
async def test_it_runs_headless(path, kernel_env, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    manager = OwnKernel()
    client = NotebookClient(
        notebook, km=manager, timeout=200, resources={"metadata": {"path": str(tmp_path)}}
    )
    workers: list[psutil.Process] = []
    commands: dict[int, list[str]] = {}
    async with client.async_setup_kernel(env=kernel_env, cleanup_kc=True):
        kernel = psutil.Process(manager.provisioner.pid)
        for index, cell in enumerate(notebook.cells):
            await client.async_execute_cell(cell, index)
            for process in kernel.children(recursive=True):
                if process not in workers:
                    workers.append(process)
                    commands[process.pid] = process.cmdline()
        if path.stem == "01_quickstart":  # every cell can be run again, and changes nothing
            there = await value(client, "(wb.link, sorted(wb.agent_session.agents))")
            for index, cell in enumerate(list(notebook.cells[:-1])):
                await client.async_execute_cell(cell, index)
            assert await value(client, "(wb.link, sorted(wb.agent_session.agents))") == there
    if path.stem == "01_quickstart":  # the other one stops its server in the cell that starts it
        assert "weather" in outputs(notebook)  # as it was heard: no cell prints the question
        assert any("voicebot.media.process.worker" in command for command in commands.values())
    else:
        turns = outputs_of(notebook, "02-07")  # from the log
        assert "weather" in turns
        assert "Guest" in turns
        assert "pocketsphinx" in outputs_of(notebook, "02-18")
    # what the kernel started ends with it
    _, alive = await asyncio.to_thread(psutil.wait_procs, workers, timeout=GUARD)
    assert not alive, [commands[p.pid] for p in alive]
