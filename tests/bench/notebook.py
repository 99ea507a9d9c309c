"""How long an agent falls silent while a notebook cell blocks."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.report import Figure
from tests.e2e.blocked_cell import BLOCK, block, notebook

GOAL_MS = 150
"""Half as much again as the longest seen when the media plane got a process of its own (pandas, 101)."""


def blocked_cells(runs: int) -> list[Figure]:
    """The longest gap that arrives at a listener, for each way to block, a kernel of its own each."""
    figures = []
    for how in BLOCK:
        gaps: list[float] = []
        for run in range(runs):
            print(f"  {how}, run {run + 1} of {runs} ...", file=sys.stderr)
            gaps.append(asyncio.run(_gap(how)))
        figures.append(
            Figure(f"longest gap while a cell blocks ({how})", statistics.median(gaps), "ms", GOAL_MS, gaps)
        )
    return figures


async def _gap(how: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with notebook(Path(folder)) as kernel:
            return 1000 * (await block(kernel, how)).longest_gap
