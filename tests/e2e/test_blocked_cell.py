"""A cell that blocks must not silence an agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.blocked_cell import BLOCK, block, notebook

LONGEST_GAP = 0.150
"""Seconds between two packets of a speech. About 25 ms are usual, one packet each 20 ms; everything in
one loop falls silent for as long as the cell blocks."""


@pytest.mark.alone
@pytest.mark.timeout(180)
async def test_the_agent_is_heard_while_a_cell_blocks(tmp_path: Path) -> None:
    async with notebook(tmp_path) as kernel:
        found = await block(kernel, *BLOCK)
    for way, blocked in found.items():
        assert blocked.lasted > 1.5, way
        assert max(blocked.stalls) > 1.0, way
        assert blocked.longest_gap < LONGEST_GAP, (way, blocked)
