"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "warning", "failed"]
"""`note`: could be better; `warning`: something people will miss; `failed`: does not work."""


@dataclass(frozen=True)
class Check:
    """`advice` says what to do; every failed check and every warning has one."""

    group: str
    name: str
    status: Status
    detail: str
    advice: str = ""

    def __post_init__(self) -> None:
        if self.status in ("failed", "warning") and not self.advice:
            raise ValueError(f"{self.name}: what can be done about it?")
