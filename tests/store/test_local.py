"""The leases of a store that one process has for itself."""

from __future__ import annotations

import pytest

from voicebot.store.base import LeaseLost
from voicebot.store.local import REMEMBERED, Leases


def test_leases_that_were_given_back_are_not_remembered_for_ever() -> None:
    leases = Leases(lambda: 0.0)
    stale = leases.acquire("first", "me", 1.0)
    kept = leases.acquire("kept", "me", 1.0)
    for number in range(REMEMBERED):
        name = "first" if number == 0 else f"lobby-{number}"
        token = leases.acquire(name, "me", 1.0)
        assert token is not None
        leases.release(name, "me", token)
    with pytest.raises(LeaseLost):
        leases.check("first", stale)
    last = leases.acquire("one more", "me", 1.0)
    assert last is not None
    leases.release("one more", "me", last)
    leases.check("first", stale)
    leases.check("kept", kept)
    assert len(leases._released) == REMEMBERED
    assert list(leases._held) == ["kept"]
