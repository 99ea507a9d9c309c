"""People come, talk, are cut off, reload, make lobbies and agents, and go; nothing of them stays.

In a few rounds; VOICEBOT_CHURN_SECONDS says for how much longer, and half an hour is `make bench-churn`.
"""

from __future__ import annotations

import os

import pytest

from tests.bench.connections.churn import churn
from tests.bench.connections.signaling import server

SECONDS = float(os.environ.get("VOICEBOT_CHURN_SECONDS") or 0)


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 300)
async def test_open_files_and_tasks_do_not_grow() -> None:
    """Each round ends as the first began. Memory takes half an hour to judge, which is left to the bench."""
    with server("hasty") as started:
        assert started is not None
        churned = await churn(started[0], SECONDS)
    assert {"cut", "reload", "agent", "chat", "leave", "abort"} <= set(churned.done)
    assert churned.growth("files") == 0
    assert churned.growth("tasks") == 0
