"""Problems of conversations on disk."""

from __future__ import annotations

import os
from typing import NamedTuple, Self


class LoadProblem(NamedTuple):
    """A file or line of a stored conversation that could not be read."""

    path: str
    line: int
    """Number of the line, from 1; 0 stands for the whole file."""
    reason: str

    @classmethod
    def of(cls, error: OSError) -> Self:
        """Make the problem of a file that cannot be opened. The error names the file."""
        return cls(str(error.filename), 0, f"cannot be read: {error.strerror or error}")

    @classmethod
    def unnamed(cls, path: str) -> Self:
        """Make the problem of a file whose name is not UTF-8."""
        shown = os.fsencode(path).decode("utf-8", "replace")
        return cls(shown, 0, "cannot be read: its name is not UTF-8")

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}" if self.line else f"{self.path}: {self.reason}"
