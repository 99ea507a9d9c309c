"""What was wrong with a conversation on disk."""

from __future__ import annotations

import os
from typing import NamedTuple, Self


class LoadProblem(NamedTuple):
    """One thing that could not be read."""

    path: str
    line: int
    """From 1; 0 means the whole file."""
    reason: str

    @classmethod
    def of(cls, error: OSError) -> Self:
        """A file that cannot be opened; the error names it."""
        return cls(str(error.filename), 0, f"cannot be read: {error.strerror or error}")

    @classmethod
    def unnamed(cls, path: str) -> Self:
        """A file whose name is not UTF-8."""
        shown = os.fsencode(path).decode("utf-8", "replace")
        return cls(shown, 0, "cannot be read: its name is not UTF-8")

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}" if self.line else f"{self.path}: {self.reason}"
