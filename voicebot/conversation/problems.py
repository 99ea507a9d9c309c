"""What was wrong with a conversation on disk."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that could not be read."""

    path: str
    line: int
    """From 1; 0 means the whole file."""
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}" if self.line else f"{self.path}: {self.reason}"
