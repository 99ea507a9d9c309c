"""The bench's file has the agreed shape, and rows of a run beside others become figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.bench.beside import _figures, _grouped
from tests.bench.report import Figure, machine, publish


def test_the_file_and_the_table(tmp_path: Path, capsys: Any) -> None:
    figures = [
        Figure("fast", 12.5, "ms", 20, [12.0, 13.0]),
        Figure("slow", 30, "ms", 20),
        Figure("free", 1, "MB"),
    ]
    written = json.loads(publish("voice", figures, machine(), tmp_path / ".bench").read_text())
    assert set(written) == {"target", "machine", "figures"}
    assert [set(row) for row in written["figures"]] == [
        {"name", "value", "unit", "goal", "met", "runs", "peer"} for _ in figures
    ]
    assert [row["met"] for row in written["figures"]] == [True, False, None]
    assert written["machine"]["cores"] > 0
    said = capsys.readouterr().out
    assert "20 met" in said
    assert "20 missed" in said


def result(v2v: list[float], early: int) -> dict[str, Any]:
    turns = [{"v2v_ms": value, "early": False} for value in v2v]
    return {
        "raw_turns": [*turns, {"v2v_ms": 5.0, "early": True}, {"v2v_ms": None, "early": False}],
        "raw_barges": [{"barge_ms": 80.0, "natural_end": False}, {"barge_ms": 900.0, "natural_end": True}],
        "talk_cpu_per_session_s": 0.03,
        "turns": {"early": early},
        "gaps": {"answers_with_late": 0},
    }


def test_rows_are_pooled_and_only_we_have_goals() -> None:
    rows = [
        {"peer": "voicebot", "n": 4, "result": result([200, 300], 0)},
        {"peer": "voicebot", "n": 4, "result": result([250, 260], 1)},
        {"peer": "other", "n": 4, "result": result([400], 0)},
        {"peer": "other", "n": 8, "result": None},
    ]
    figures = {(f.peer, f.name): f for row in _grouped(rows) for f in _figures(*row)}
    assert figures["voicebot", "voice to voice p50, N=4"].value == 255
    assert figures["voicebot", "voice to voice p50, N=4"].met is True
    assert figures["voicebot", "voice to voice p95, N=4"].value == 300
    assert figures["voicebot", "barge-in to silence p50, N=4"].value == 80
    assert figures["voicebot", "answers before the end, N=4"].met is False
    assert figures["other", "voice to voice p50, N=4"].goal is None
    assert not [key for key in figures if "N=8" in key[1]]
