"""A cell that blocks must not silence an agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.notebook.blocked_cell import BLOCK, speaking

ENOUGH = 50
"""Packets, each of 20 ms: more than can be on their way when a cell begins to block."""


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_the_agent_is_heard_while_a_cell_blocks(tmp_path: Path) -> None:
    async with speaking(tmp_path) as agent:
        for way in BLOCK:
            heard = 0
            for seconds in (2, 4, 8, 16):  # a busy machine may need longer for as many packets
                heard = len((await agent.block(way, seconds)).heard)
                if heard >= ENOUGH:
                    break
            assert heard >= ENOUGH, way
