"""Our server alone, driven by our own probe in another process: latency in its parts, and CPU."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import voicebot
from tests.bench.report import Figure
from voicebot.conversation.frames.latency import PARTS
from voicebot.registry import load_backend
from voicebot.settings import load_settings
from voicebot.tts.base import TTS, VoiceStyle

PROCESSES = Path(__file__).parent / "processes"
QUESTION = "Could you please tell me what the weather will be like this evening"


HALVES = ("Could you please tell me", "what the weather will be like this evening")
SPOKEN = {
    "question.wav": QUESTION,
    "first.wav": HALVES[0],
    "second.wav": HALVES[1],
    "backchannel.wav": "uh-huh",
}
SOUNDS = {"noise": "a burst of noise", "cough": "a cough", "backchannel": '"uh-huh"'}
SESSIONS = (1, 4, 8, 16, 24)
SILENT = 4
"""Further agents of the lobby in which the cost of a silent one is measured."""


def speak(folder: Path) -> None:
    """The sentences of the probe, by flite where it is installed, else by the embedded voice."""

    async def synthesize() -> None:
        settings = load_settings(None)
        spec = "flite" if shutil.which("flite") else "espeak"
        tts: Any = await load_backend("tts", spec, settings)
        assert isinstance(tts, TTS)
        for name, text in SPOKEN.items():
            chunks = [chunk async for chunk in tts.synthesize(text, VoiceStyle())]
            pcm = np.concatenate([chunk for chunk in chunks if isinstance(chunk, np.ndarray)])
            with wave.open(str(folder / name), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(tts.sample_rate)
                file.writeframes(pcm.tobytes())
        await tts.aclose()

    asyncio.run(synthesize())


@contextmanager
def controller(folder: Path, mode: str, pinned: bool = False) -> Iterator[tuple[str, int]]:
    """(address, process id) of our server with models that cost nothing; pinned: on the first core alone."""
    env = {**os.environ, "DATA_DIR": str(folder), "PEER_MODE": mode}
    env.pop("VOICEBOT_PEERS", None)
    command = [*_on_core(0, pinned), sys.executable, str(PROCESSES / "serve.py"), "0"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip().rstrip("/")
        if not address:
            raise SystemExit("The server did not start; what it said is above.")
        yield address.replace("localhost", "127.0.0.1"), process.pid
    finally:
        process.terminate()
        process.wait(20)


def _on_core(number: int, pinned: bool) -> list[str]:
    return ["taskset", "-c", str(number)] if pinned and shutil.which("taskset") else []


def probe(folder: Path, mode: str, pinned: bool = False, **counts: int) -> tuple[dict[str, Any], Any]:
    """What the probe saw, and the latency frame of what our own log says of the same turns."""
    print(
        "  one run:", ", ".join(f"{count} {name}" for name, count in counts.items()), "...", file=sys.stderr
    )
    if not (folder / "question.wav").exists():
        speak(folder)
    data = Path(tempfile.mkdtemp(dir=folder))
    with controller(data, mode, pinned) as (url, pid):
        options = [f"--{name}={count}" for name, count in counts.items()]
        script = [sys.executable, str(PROCESSES / "probe.py"), url, str(folder), f"--pid={pid}"]
        command = [*_on_core(1, pinned), *script, *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
        if done.returncode:
            raise SystemExit(f"The probe failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout), voicebot.load(data / "conversations").latency


def voice(runs: int, turns: int, sounds: int = 4) -> list[Figure]:
    """Latency, early answers and interruptions from outside, in both modes; its parts as the log has them."""
    return [figure for mode in ("stop200", "default") for figure in _voice(mode, runs, turns, sounds)]


def _voice(mode: str, runs: int, turns: int, sounds: int) -> list[Figure]:
    seen: list[dict[str, Any]] = []
    parts: dict[str, list[float]] = {name: [] for name in (*PARTS, "e2e_latency")}
    pauses = -(-3 * turns // runs)  # 24 with three runs of eight turns
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            counts = {"turns": turns, "barges": max(1, turns // 2), "pauses": pauses, "sounds": sounds}
            result, latency = probe(Path(folder), mode, sessions=1, **counts)
            seen.append(result)
            for column, values in parts.items():
                found = next((c for c in (f"{column}_s", column) if c in latency), None)
                if found is not None:
                    values += [v * 1000 for v in latency.loc[~latency["cancelled"], found].dropna()]
    figures = voice_figures(mode, seen, pauses)
    for name, values in parts.items():
        if values:
            figures.append(Figure(f"{mode}: part {name} p50", statistics.median(values), "ms", None, values))
    return figures


def voice_figures(mode: str, seen: list[dict[str, Any]], pauses: int) -> list[Figure]:
    """The table's rows of one mode from what the probes saw."""
    v2v = sorted(value for result in seen for value in result["v2v_ms"])
    barge = [value for result in seen for value in result["barge_ms"]]
    if not v2v or not barge:
        raise SystemExit("Nothing was measured: no answer was heard.")
    fast = mode == "stop200"
    asked = pauses * len(seen)
    figures = [
        Figure(f"{mode}: voice to voice p50", statistics.median(v2v), "ms", 260 if fast else None, v2v),
        Figure(
            f"{mode}: voice to voice p95",
            v2v[min(len(v2v) - 1, int(0.95 * len(v2v)))],
            "ms",
            290 if fast else None,
            v2v,
        ),
        Figure(
            f"{mode}: barge-in to silence p50", statistics.median(barge), "ms", 90 if fast else None, barge
        ),
        Figure(f"{mode}: answers before the end", sum(r["early"] for r in seen), "answers", 0),
        Figure(
            f"{mode}: answers in a pause of 150 ms, of {asked}",
            sum(r["paused_early"] for r in seen),
            "answers",
            0,
        ),
        Figure(f"{mode}: answers missed", sum(r["missed"] for r in seen), "answers", 0),
    ]
    for name, called in SOUNDS.items():
        made = [sound for result in seen for sound in result["sounds"].get(name, [])]
        for what, goal in (("held", None), ("resumed", None), ("lost", 0)):
            if made:
                count = sum(sound[what] for sound in made)
                figures.append(
                    Figure(f"{mode}: answers {what} by {called}, of {len(made)}", count, "answers", goal)
                )
    return figures


def media(runs: int, turns: int, sessions: Sequence[int] = SESSIONS) -> list[Figure]:
    """CPU of the two planes on one core while people each talk with an agent of their own."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for n in sessions:
            seen = [
                probe(Path(folder), "stop200", pinned=True, sessions=n, turns=turns)[0] for _ in range(runs)
            ]
            figures += media_figures(n, seen)
        lone = [probe(Path(folder), "stop200", sessions=2, turns=turns)[0] for _ in range(runs)]
        full = [
            probe(Path(folder), "stop200", sessions=2, turns=turns, agents=1 + SILENT)[0] for _ in range(runs)
        ]
    return [*figures, *silent_figures(lone, full)]


def _both(result: dict[str, Any]) -> float:
    return float(result["media_cpu"] + result["control_cpu"])


def media_figures(n: int, seen: list[dict[str, Any]]) -> list[Figure]:
    """The table's rows for `n` sessions on one core."""

    def figure(name: str, values: list[float], unit: str, goal: float | None = None) -> Figure:
        return Figure(f"{name}, N={n}", statistics.median(values), unit, goal, values)

    def of(key: str) -> list[float]:
        return [float(result[key]) for result in seen]

    both = [_both(result) for result in seen]
    # at 24 the goal is that one core carries them
    goal = {4: 0.035, 24: 1 / 24}.get(n)
    return [
        figure("media plane, per session", of("media_cpu"), "CPU s/s"),
        figure("control plane, per session", of("control_cpu"), "CPU s/s"),
        figure("both planes, per talking session", both, "CPU s/s", goal),
        figure("underruns (packets)", of("underruns"), "packets", 0),
        figure("answers missed", of("missed"), "answers", 0),
        figure("resident memory, both processes", of("rss_mb"), "MB"),
        # near a whole core the underruns may be the probe's own
        figure("the probe itself", of("probe_cpu"), "CPU s/s"),
    ]


def silent_figures(lone: list[dict[str, Any]], full: list[dict[str, Any]]) -> list[Figure]:
    """What each of `SILENT` further agents adds, and that a person is transcribed once for all of them."""
    base = statistics.median(map(_both, lone))
    added = [100 * (_both(result) - base) / base / SILENT for result in full]
    streams = [float(result["streams_per_question"]) for result in full]
    return [
        Figure("each further silent agent adds to a session", statistics.median(added), "%", 5, added),
        Figure(
            f"transcriptions of a question before {1 + SILENT} agents", max(streams), "streams", 1, streams
        ),
    ]
