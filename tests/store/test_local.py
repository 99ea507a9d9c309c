"""The leases of a store that one process has for itself."""

from __future__ import annotations

import pytest

from voicebot.store.base import LeaseLost
from voicebot.store.local import REMEMBERED, LocalLeases


async def test_tokens_of_released_leases_are_eventually_forgotten() -> None:
    leases = LocalLeases(lambda: 0.0)
    stale = await leases.acquire("first", "me", 1.0)
    kept = await leases.acquire("kept", "me", 1.0)
    for number in range(REMEMBERED):
        name = "first" if number == 0 else f"lobby-{number}"
        token = await leases.acquire(name, "me", 1.0)
        assert token is not None
        await leases.release(name, "me", token)
    with pytest.raises(LeaseLost):
        leases.check_lease("first", stale)
    last = await leases.acquire("one more", "me", 1.0)
    assert last is not None
    await leases.release("one more", "me", last)
    leases.check_lease("first", stale)
    leases.check_lease("kept", kept)
    assert len(leases._released) == REMEMBERED
    assert list(leases._held) == ["kept"]
