"""`make bench-signaling`: one worker on one core, the load from another.

Beside us run a bare FastAPI relay (the floor) and, where Node and npm can fetch it, the PeerJS
server. Message latencies count from the moment a message was due, so a server that falls behind shows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.bench.connections.churn import churn
from tests.bench.report import ROOT, Figure
from tests.support.coturn import free_port
from tests.support.cuts import random_cuts

PROCESSES = Path(__file__).parents[1] / "processes"
SERVER_CORE, LOAD_CORE = 0, 1
PEERJS = "peer@1.0.2"
PEERJS_CODE = """
import { PeerServer } from "peer";
const port = Number(process.argv[2]);
PeerServer({ port, concurrent_limit: 100000, alive_timeout: 600000 }, () => console.log(`http://127.0.0.1:${port}/`));
"""
SERVE_SOCKETS = [sys.executable, str(PROCESSES / "serve_sockets.py")]
IDLE_KIB, RELAY_P99_MS, JOIN_P95_MS, RESUME_P95_MS, GROWTH_MIB = 60, 25, 150, 500, 4


def signaling(
    runs: int, *, sockets: int = 5000, rate: float = 2000, seconds: float = 15, cuts: int = 1000
) -> list[Figure]:
    """Figures of every server in turn, each run anew."""
    found: dict[str, list[dict[str, Any]]] = {}
    for run in range(runs):
        for kind in ("voicebot", "echo", "peerjs"):
            print(f"  {kind}, run {run + 1} of {runs} ...", file=sys.stderr)
            with server(kind) as started:
                if started is None:
                    continue
                measured = load(kind, *started, sockets=sockets, rate=rate, seconds=seconds)
                found.setdefault(kind, []).append(measured)
    figures = [figure for kind, results in found.items() for figure in _figures(kind, results, rate, sockets)]
    return [*figures, *_cuts(cuts)]


@contextlib.contextmanager
def server(kind: str) -> Iterator[tuple[str, int] | None]:
    """Its address and process id; None when it cannot be had here."""
    command = {
        "voicebot": lambda: [*SERVE_SOCKETS, "--lobbies", "200"],
        "fast": lambda: [*SERVE_SOCKETS, "--fast"],
        "hasty": lambda: [*SERVE_SOCKETS, "--hasty"],
        "echo": lambda: [sys.executable, str(PROCESSES / "serve_echo.py"), str(free_port())],
        "peerjs": _peerjs,
    }[kind]()
    if command is None:
        yield None
        return
    started = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: _pin(SERVER_CORE),
    )
    try:
        assert started.stdout is not None
        url = started.stdout.readline().strip()
        if not url:
            raise SystemExit(f"The server {kind} did not start.")
        children = psutil.Process(started.pid).children(recursive=True)
        yield url, children[-1].pid if children else started.pid  # node is started by a script
    finally:
        os.killpg(started.pid, signal.SIGTERM)
        with started:  # closes its output, waits for its end
            pass


def load(kind: str, url: str, pid: int, *, sockets: int, rate: float, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.processes.sockets", kind, url, str(pid), "--pairs", "200"]
    command += ["--idle", str(sockets), "--rate", str(rate), "--seconds", str(seconds)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=lambda: _pin(LOAD_CORE),
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _pin(core: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})


def _peerjs() -> list[str] | None:
    """Installed once into the cache folder; None (and a word why) without npm or network."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "voicebot-bench" / "peerjs"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    npm, node = shutil.which("npm", path=path), shutil.which("node", path=path)
    if npm is None or node is None:
        print("  peerjs is left out: there is no npm.", file=sys.stderr)
        return None
    if not (folder / "node_modules/peer").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        install = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", PEERJS]
        done = subprocess.run(install, cwd=folder, env=os.environ | {"PATH": path})
        if done.returncode != 0:
            print(f"  peerjs is left out: npm could not install {PEERJS}.", file=sys.stderr)
            return None
    (folder / "serve.mjs").write_text(PEERJS_CODE)
    return [node, str(folder / "serve.mjs"), str(free_port())]


def _figures(kind: str, results: list[dict[str, Any]], rate: float, sockets: int) -> list[Figure]:
    ours = kind == "voicebot"
    relays = [result["relay"] for result in results]
    figures = [
        _figure(
            kind, f"memory per idle socket, {sockets}", "KiB", [r["idle"]["kib"] for r in results], IDLE_KIB
        )
    ]
    for part in (0.5, 0.99):
        values = [quantile(r["latencies"], part) for r in relays]
        goal = RELAY_P99_MS if part == 0.99 else None
        figures.append(_figure(kind, f"relay at {rate:g}/s, p{part * 100:g}", "ms", values, goal))
    figures.append(
        _figure(kind, "messages lost", "messages", [r["sent"] - len(r["latencies"]) for r in relays], 0)
    )
    figures.append(_figure(kind, "relayed a second", "1/s", [r["rate"] for r in relays]))
    figures.append(_figure(kind, "core of the server", "CPU s/s", [r["cpu"] for r in relays]))
    if ours:
        joins = [quantile(r["joins"], 0.95) for r in relays]
        figures.append(_figure(kind, "join to lobby_state under that load, p95", "ms", joins, JOIN_P95_MS))
    return figures


def _figure(kind: str, name: str, unit: str, values: list[float], goal: float | None = None) -> Figure:
    wanted = goal if kind == "voicebot" else None
    return Figure(name, statistics.median(values), unit, wanted, [round(v, 3) for v in values], kind)


def quantile(values: list[float], part: float) -> float:
    """The smallest value that `part` of all are not above."""
    ordered = sorted(values)
    return ordered[max(0, -int(-part * len(ordered) // 1) - 1)] if ordered else float("nan")


def _cuts(count: int) -> list[Figure]:
    """Random cuts between two people who write to each other; nothing may be lost or come twice."""
    print(f"  {count} random cuts ...", file=sys.stderr)
    with server("fast") as started:
        assert started is not None
        report = asyncio.run(random_cuts(started[0], "bench-cuts", count))
    resumes = [round(seconds * 1000, 3) for seconds in report.resumes]
    wrong = {"lost": report.lost, "delivered twice": report.twice, "out of order": report.disordered}
    figures = [
        Figure(f"messages {what} in {count} cuts", n, f"of {report.sent}", 0) for what, n in wrong.items()
    ]
    figures.append(Figure(f"seats lost in {count} cuts", report.seats_lost, "seats", 0))
    for part, goal in ((0.5, None), (0.95, RESUME_P95_MS)):
        figures.append(
            Figure(f"resume after a cut, p{part * 100:g}", quantile(resumes, part), "ms", goal, resumes)
        )
    return figures


def churned(seconds: float) -> list[Figure]:
    """People who come and go for so long: how much more there is in the last quarter than in the second."""
    print(f"  {seconds:g} s of coming and going ...", file=sys.stderr)
    with server("hasty") as started:
        assert started is not None
        result = asyncio.run(churn(started[0], seconds))
    goals = {"mib": GROWTH_MIB, "files": 0, "tasks": 0}
    return [
        Figure(
            f"growth in {seconds:g} s of churn: {name}",
            result.growth(name),
            name,
            goal,
            [round(getattr(sample, name), 2) for sample in result.samples],
        )
        for name, goal in goals.items()
    ] + [Figure("visits' actions", result.done.total(), "actions")]
