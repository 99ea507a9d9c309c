"""How long an agent falls silent while a notebook cell blocks."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.report import Figure
from tests.e2e.notebook.blocked_cell import BLOCK, Blocked, speaking

GOAL_MS = 150
"""Half as much again as the longest seen when the media plane got a process of its own (pandas, 101)."""


def blocked_cells(runs: int) -> list[Figure]:
    """The longest gap that arrives at a listener, for each way to block; each run has a kernel of its own."""
    gaps: dict[str, list[float]] = {way: [] for way in BLOCK}
    for run in range(runs):
        print(f"  run {run + 1} of {runs} ...", file=sys.stderr)
        for way, blocked in asyncio.run(_blocked()).items():
            gaps[way].append(1000 * blocked.longest_gap)
    return [
        Figure(f"longest gap while a cell blocks ({way})", statistics.median(seen), "ms", GOAL_MS, seen)
        for way, seen in gaps.items()
    ]


async def _blocked() -> dict[str, Blocked]:
    with tempfile.TemporaryDirectory() as folder:
        async with speaking(Path(folder)) as agent:
            return {way: await agent.block(way, 3) for way in BLOCK}
