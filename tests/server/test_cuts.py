"""Connections are cut anywhere and in any way: nothing is lost, nothing comes twice."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cuts import random_cuts
from voicebot.server.limits import Limits


@pytest.mark.parametrize("seed", [1, 2])
async def test_random_cuts_lose_nothing_and_deliver_nothing_twice(host: Any, seed: int) -> None:
    hosting = await host(demo=False, limits=Limits(messages_per_second=10_000, burst=10_000))
    await hosting.create_lobby("Cuts", "cuts")
    report = await random_cuts(hosting.url, "cuts", 30, seed=seed)
    assert len(report.resumes) == 30
    assert (report.lost, report.twice, report.disordered, report.seats_lost) == (0, 0, 0, 0)
    assert report.sent > 30
