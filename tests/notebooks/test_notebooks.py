"""The notebooks as they are stored, and the second one in a real kernel with a real server."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from tests.e2e.notebook.blocked_cell import OwnKernel

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def outputs_of(notebook: Any, cell_id: str) -> str:
    """The text below one cell."""
    [cell] = [cell for cell in notebook.cells if cell.id == cell_id]
    return "\n".join(
        o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.get("outputs", [])
    )


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
def test_each_notebook_is_stored_without_outputs_and_reads_as_text(path):
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


async def test_the_quickstart_swaps_to_a_local_voice_whatever_else_is_ready():
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


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_the_conversations_run_headless(kernel_env, tmp_path):
    """From the first cell to the last; the quickstart runs in tests/e2e/notebook/test_jupyterlab.py."""
    notebook = nbformat.read(NOTEBOOKS[1], as_version=4)
    client = NotebookClient(
        notebook, km=OwnKernel(), timeout=200, resources={"metadata": {"path": str(tmp_path)}}
    )
    await client.async_execute(env=kernel_env, cleanup_kc=True)
    said = dict(re.findall("^(.+) -> (.+)$", outputs_of(notebook, "02-01"), re.MULTILINE))
    assert len(said) == 3
    turns = outputs_of(notebook, "02-07")  # from the log
    for heard in said.values():  # a weak recogniser may have heard "whether"
        assert set(heard.split()) <= set(turns.split())
    assert "Guest" in turns
    assert "pocketsphinx" in outputs_of(notebook, "02-18")
