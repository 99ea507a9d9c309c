"""The bench's file has the agreed shape, and rows of a run beside others become figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bench.alone import media_figures, silent_figures, voice_figures
from tests.bench.beside import _figures, _grouped
from tests.bench.processes.heard import Disturbance, Sound, disturbance, underruns
from tests.bench.processes.sounds import cough, paused, pink
from tests.bench.report import Figure, machine, publish


def test_the_report_has_a_file_and_a_table(tmp_path: Path, capsys: Any) -> None:
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
        "gaps": {"answers_with_late": 0, "answers_with_holes": 2},
    }


def test_rows_are_pooled_and_only_our_own_have_goals() -> None:
    rows = [
        {"peer": "voicebot", "mode": "stop200", "n": 4, "result": result([200, 300], 0)},
        {"peer": "voicebot", "mode": "stop200", "n": 4, "result": result([250, 260], 1)},
        {"peer": "other", "mode": "default", "n": 4, "result": result([400], 0)},
        {"peer": "other", "mode": "default", "n": 8, "result": None},
    ]
    figures = {(f.peer, f.name): f for row in _grouped(rows) for f in _figures(*row)}
    assert figures["voicebot", "voice to voice p50, stop200, N=4"].value == 255
    assert figures["voicebot", "voice to voice p50, stop200, N=4"].met is True
    assert figures["voicebot", "voice to voice p95, stop200, N=4"].value == 300
    assert figures["voicebot", "barge-in to silence p50, stop200, N=4"].value == 80
    assert figures["voicebot", "answers before the end, stop200, N=4"].met is False
    assert figures["voicebot", "answers with gaps, stop200, N=4"].value == 4
    assert figures["other", "voice to voice p50, default, N=4"].goal is None
    assert not [key for key in figures if "N=8" in key[1]]


def sounds(pitches: list[int], begin: float = 10.0, jitter: float = 0.0) -> list[Sound]:
    return [
        Sound(begin + n * 0.02 + jitter * (n % 2), pitch, 77 + n * 960) for n, pitch in enumerate(pitches)
    ]


def test_late_packets_and_holes_are_underruns() -> None:
    steady = sounds([0] * 50, jitter=0.059)
    assert underruns(steady) == 0
    assert underruns(sounds([0] * 50, jitter=0.061)) == 25
    assert underruns([*steady[:10], *steady[13:]]) == 3  # never sent
    assert underruns([]) == 0
    wrapped = [Sound(s.at, s.pitch, (s.timestamp - 2000) & 0xFFFFFFFF) for s in steady]
    assert underruns(wrapped) == 0


def test_a_disturbance_is_held_resumed_or_lost() -> None:
    whole = sounds([0] * 100)
    assert disturbance(whole, 10.5, 2.0) == Disturbance(held=False, resumed=False, lost=False)
    resumed = [*whole[:40], *(Sound(s.at + 0.5, 0, s.timestamp) for s in whole[40:])]
    assert disturbance(resumed, 10.7, 2.0) == Disturbance(held=True, resumed=True, lost=False)
    assert disturbance(whole[:40], 10.7, 2.0) == Disturbance(held=True, resumed=False, lost=True)


def test_the_sounds_are_as_long_and_loud_as_they_should_be() -> None:
    assert len(pink(0.4)) == 0.4 * 48_000
    assert np.abs(pink(level=0.2)).max() == pytest.approx(0.2)
    assert 0.3 < len(cough()) / 48_000 < 0.5
    assert np.abs(cough()).max() == pytest.approx(0.5)
    half = np.ones(4800, np.float32)
    whole = paused(half, half, 0.15)
    assert len(whole) % 960 == 0
    inside = np.trim_zeros(whole)
    assert np.count_nonzero(inside == 0) == 0.15 * 48_000


def seen(**more: Any) -> dict[str, Any]:
    return {
        "v2v_ms": [250.0, 270.0],
        "barge_ms": [80.0],
        "early": 0,
        "missed": 0,
        "paused_early": 1,
        "sounds": {"cough": [{"held": True, "resumed": True, "lost": False}] * 3},
        "underruns": 2,
        "answers": 2,
        "streams_per_question": 1.0,
        "control_cpu": 0.01,
        "media_cpu": 0.03,
        "rss_mb": 200.0,
        "probe_cpu": 0.5,
        **more,
    }


def test_each_mode_has_its_rows_and_the_quick_one_its_goals() -> None:
    quick = {f.name: f for f in voice_figures("stop200", [seen(), seen()], 12)}
    assert quick["stop200: voice to voice p50"].met is True
    assert quick["stop200: answers in a pause of 150 ms, of 24"].value == 2
    assert quick["stop200: answers in a pause of 150 ms, of 24"].met is False
    assert quick["stop200: answers held by a cough, of 6"].value == 6
    assert quick["stop200: answers lost by a cough, of 6"].met is True
    slow = {f.name: f for f in voice_figures("default", [seen()], 12)}
    assert slow["default: voice to voice p50"].goal is None


def test_cores_are_counted_for_both_planes_and_for_silent_agents() -> None:
    figures = {f.name: f for f in media_figures(4, [seen(), seen(media_cpu=0.02, underruns=0)])}
    assert figures["both planes, per talking session, N=4"].value == pytest.approx(0.035)
    assert figures["underruns (packets), N=4"].value == 1
    figures = {f.name: f for f in silent_figures([seen()], [seen(media_cpu=0.038)])}
    assert figures["each further silent agent adds to a session"].value == pytest.approx(5.0)
    assert figures["transcriptions of a question before 5 agents"].met is True
