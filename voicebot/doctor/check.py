"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "warning", "failed"]
"""`note`: could be better; `warning`: something is missing; `failed`: does not work."""


@dataclass(frozen=True)
class Check:
    """The result of one check. `advice` says what to do; warnings and failed checks must have one.

    Raises:
        ValueError: a warning or a failed check has no advice.
    """

    group: str
    name: str
    status: Status
    detail: str
    advice: str = ""

    def __post_init__(self) -> None:
        if self.status in ("failed", "warning") and not self.advice:
            raise ValueError(f"The check {self.name!r} needs advice.")
