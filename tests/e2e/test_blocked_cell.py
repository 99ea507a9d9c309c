"""A cell that blocks must not silence an agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.blocked_cell import BLOCK, block, notebook

SILENCED = 0.5
"""A quarter of the shortest block. One loop for all falls silent for as long as the cell blocks, a
media thread for most of it; how short the gap really is, `make bench` measures."""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", BLOCK)
async def test_the_agent_is_heard_while_a_cell_blocks(tmp_path: Path, how: str) -> None:
    async with notebook(tmp_path) as kernel:
        blocked = await block(kernel, how)
    assert blocked.lasted > 1.5
    assert max(blocked.stalls) > 1.0
    assert blocked.longest_gap < SILENCED, blocked
