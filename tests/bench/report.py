"""Figures, their table and their file."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Figure:
    """One measure. `goal` is the most it may be; `runs` are the single values behind `value`."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    runs: list[float] = field(default_factory=list)
    peer: str = "voicebot"

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.value <= self.goal


def machine() -> dict[str, Any]:
    names = [line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def publish(
    target: str, figures: list[Figure], where: dict[str, Any], folder: Path = ROOT / ".bench"
) -> Path:
    """Print the table and write `<folder>/<target>.json`."""
    table = Table(title=f"{target}: {where['cpu']}, {where['cores']} cores", title_justify="left")
    for column in ("figure", "of", "value", "unit", "goal", "runs"):
        table.add_column(column, justify="right" if column in ("value", "goal", "runs") else "left")
    for figure in figures:
        goal = "" if figure.goal is None else f"{figure.goal:g} {'met' if figure.met else 'missed'}"
        runs = str(len(figure.runs))
        table.add_row(figure.name, figure.peer, f"{figure.value:.4g}", figure.unit, goal, runs)
    Console(width=120).print(table)
    folder.mkdir(exist_ok=True)
    path = folder / f"{target}.json"
    rows = [{**asdict(figure), "met": figure.met} for figure in figures]
    path.write_text(json.dumps({"target": target, "machine": where, "figures": rows}, indent=1) + "\n")
    return path
