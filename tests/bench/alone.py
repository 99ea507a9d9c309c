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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import voicebot
from tests.bench.report import Figure
from voicebot.conversation.latency import PARTS
from voicebot.registry import load_backend
from voicebot.settings import load_settings
from voicebot.tts.base import TTS, VoiceStyle

HERE = Path(__file__).parent
QUESTION = "Could you please tell me what the weather will be like this evening"


def question(path: Path) -> None:
    """A spoken sentence, by flite where it is installed, else by the embedded voice."""

    async def speak() -> None:
        settings = load_settings(None)
        spec = "flite" if shutil.which("flite") else "espeak"
        tts: Any = await load_backend("tts", spec, settings)
        assert isinstance(tts, TTS)
        pcm = np.concatenate([chunk async for chunk in tts.synthesize(QUESTION, VoiceStyle())])
        await tts.aclose()
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(tts.sample_rate)
            file.writeframes(pcm.tobytes())

    asyncio.run(speak())


@contextmanager
def served(folder: Path, mode: str) -> Iterator[tuple[str, int]]:
    """(address, process id) of our server with models that cost nothing."""
    env = {**os.environ, "DATA_DIR": str(folder), "PEER_MODE": mode}
    env.pop("VOICEBOT_PEERS", None)
    command = [sys.executable, str(HERE / "serve.py"), "0"]
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


def probe(folder: Path, mode: str, **counts: int) -> tuple[dict[str, Any], Any]:
    """What the probe saw, and the latency frame of what our own log says of the same turns."""
    print(
        "  one run:", ", ".join(f"{count} {name}" for name, count in counts.items()), "...", file=sys.stderr
    )
    wav = folder / "question.wav"
    if not wav.exists():
        question(wav)
    data = Path(tempfile.mkdtemp(dir=folder))
    with served(data, mode) as (url, pid):
        options = [f"--{name}={count}" for name, count in counts.items()]
        command = [sys.executable, str(HERE / "probe.py"), url, str(wav), f"--pid={pid}", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            raise SystemExit(f"The probe failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout), voicebot.load(data / "conversations").latency


def voice(runs: int, turns: int) -> list[Figure]:
    """Voice to voice and barge-in from outside, and the parts of the way as the log has them."""
    seen: list[dict[str, Any]] = []
    parts: dict[str, list[float]] = {name: [] for name in (*PARTS, "e2e_latency")}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            result, latency = probe(
                Path(folder), "stop200", sessions=1, turns=turns, barges=max(1, turns // 2)
            )
            seen.append(result)
            for column, values in parts.items():
                found = next((c for c in (f"{column}_s", column) if c in latency), None)
                if found is not None:
                    values += [v * 1000 for v in latency.loc[~latency["cancelled"], found].dropna()]
    v2v = sorted(value for result in seen for value in result["v2v_ms"])
    barge = [value for result in seen for value in result["barge_ms"]]
    if not v2v or not barge:
        raise SystemExit("Nothing was measured: no answer was heard.")
    figures = [
        Figure("voice to voice p50 (0.2 s end a turn)", statistics.median(v2v), "ms", 260, v2v),
        Figure("voice to voice p95", v2v[min(len(v2v) - 1, int(0.95 * len(v2v)))], "ms", 290, v2v),
        Figure("barge-in to silence p50", statistics.median(barge), "ms", 90, barge),
        Figure("answers before the end", sum(r["early"] for r in seen), "answers", 0),
        Figure("answers missed", sum(r["missed"] for r in seen), "answers", 0),
    ]
    for name, values in parts.items():
        if values:
            figures.append(Figure(f"part {name} p50", statistics.median(values), "ms", None, values))
    return figures


def media(runs: int, turns: int) -> list[Figure]:
    """CPU of the two planes while four people each talk with an agent of their own."""
    with tempfile.TemporaryDirectory() as folder:
        seen = [probe(Path(folder), "stop200", sessions=4, turns=turns)[0] for _ in range(runs)]

    def figure(name: str, key: str, unit: str, goal: float | None = None) -> Figure:
        values = [float(result[key]) for result in seen]
        return Figure(name, statistics.median(values), unit, goal, values)

    return [
        figure("media plane, per session", "media_cpu", "CPU s/s"),
        figure("control plane, per session", "control_cpu", "CPU s/s"),
        Figure(
            "both planes, per talking session (N=4)",
            statistics.median(r["media_cpu"] + r["control_cpu"] for r in seen),
            "CPU s/s",
            0.035,
            [r["media_cpu"] + r["control_cpu"] for r in seen],
        ),
        figure("resident memory, both processes (N=4)", "rss_mb", "MB"),
        figure("answers missed (N=4)", "missed", "answers", 0),
    ]
