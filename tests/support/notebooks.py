"""The code of a stored notebook. It is read as JSON, because importing nbformat takes seconds."""

from __future__ import annotations

import json
from pathlib import Path


def code_cells(path: Path) -> list[str]:
    """The sources of its code cells, in order."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
