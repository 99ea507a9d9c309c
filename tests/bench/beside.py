"""Our server beside others in one run: VOICEBOT_PEERS names the folder with run.py and probe.py.

PEERS_ROOT holds their environments (the folder's setup.sh makes them). A server runs on core 0, the
probe on core 1; close everything else first.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.report import Figure

PROCESSES = Path(__file__).parent / "processes"
MEASURES = (
    # name, kind of turn, field of a turn
    ("voice to voice", "raw_turns", "v2v_ms"),
    ("barge-in to silence", "raw_barges", "barge_ms"),
)
GOALS = {("voice to voice", 0.5): 260.0, ("voice to voice", 0.95): 290.0, ("barge-in to silence", 0.5): 90.0}
CPU_GOAL = 0.035


MODES = ("stop200", "default")
"""A stop time of 200 ms, and the settings as they come."""


def beside(
    folder: Path, runs: int, sessions: list[int], peers: list[str], modes: Sequence[str]
) -> list[Figure]:
    """Measure `peers` and ourselves."""
    sys.path.insert(0, str(folder))
    run: Any = __import__("run")
    if not run.PROBE_PYTHON.exists():
        raise SystemExit(
            f"The rivals are not installed ({run.PROBE_PYTHON} is missing): run {folder}/setup.sh"
        )
    _check_free(8123)  # run.py's own port; a server left there would be measured in place of every other
    theirs = run.probe
    run.PEERS["voicebot"] = {
        "python": Path(sys.executable),
        "script": str(PROCESSES / "serve.py"),
        "adapter": "voicebot",
        "modes": {"default": {"PEER_MODE": "default"}, "stop200": {"PEER_MODE": "stop200"}},
        "imports": "import voicebot.server.hosting, voicebot.agent.session",
    }
    os.environ["VOICEBOT_PEERS"] = str(folder)
    data = tempfile.TemporaryDirectory()
    os.environ["DATA_DIR"] = data.name

    def probe(peer: dict[str, Any], *rest: Any, **named: Any) -> Any:
        here = run.HERE
        if peer["adapter"] == "voicebot":
            run.HERE = _Probe(here)  # the same probe, that also knows our signaling
        try:
            return theirs(peer, *rest, **named)
        finally:
            run.HERE = here

    run.probe = probe
    out = Path(data.name) / "rows.json"
    names = [name for name in peers if name in run.PEERS]
    sys.argv = ["run.py", "voicebot", *names, "--ns", *map(str, sessions), "--repeat", str(runs)]
    sys.argv += ["--modes", *modes, "tap+packets", "--out", str(out)]
    run.main()
    figures = [f for row in _grouped(json.loads(out.read_text())["rows"]) for f in _figures(*row)]
    data.cleanup()
    return figures


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise SystemExit(
                f"Port {port} is in use, perhaps by a server of an earlier run: end it."
            ) from None


class _Probe:
    """A folder whose probe.py is ours; everything else is as it was."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __truediv__(self, name: str) -> Path:
        return PROCESSES / "peer_probe.py" if name == "probe.py" else self._folder / name

    def __fspath__(self) -> str:
        return str(self._folder)


def _grouped(rows: list[dict[str, Any]]) -> list[tuple[str, str, int, list[dict[str, Any]]]]:
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in rows:
        if row["result"] is not None:
            groups.setdefault((row["peer"], row["mode"], row["n"]), []).append(row["result"])
    return [(*key, results) for key, results in groups.items()]


def _figures(peer: str, mode: str, n: int, results: list[dict[str, Any]]) -> list[Figure]:
    figures: list[Figure] = []
    ours = peer == "voicebot"
    # only the quick mode has goals for latency; nobody may answer early in either
    goals = GOALS if ours and n == 4 and mode == "stop200" else {}
    at = f"{mode}, N={n}"
    for name, kind, key in MEASURES:
        values = sorted(
            turn[key]
            for result in results
            for turn in result.get(kind, [])
            if turn.get(key) is not None and not turn.get("early") and not turn.get("natural_end")
        )
        for part in (0.5, 0.95) if values else ():
            value = statistics.median(values) if part == 0.5 else values[-(-95 * len(values) // 100) - 1]
            figures.append(
                Figure(f"{name} p{part * 100:.0f}, {at}", value, "ms", goals.get((name, part)), values, peer)
            )
    cpu = [result["talk_cpu_per_session_s"] for result in results if result.get("talk_cpu_per_session_s")]
    if cpu:
        goal = CPU_GOAL if ours and n == 4 else None
        figures.append(Figure(f"CPU per session, {at}", statistics.median(cpu), "CPU s/s", goal, cpu, peer))
    early = [float(result["turns"]["early"]) for result in results]
    late = [
        float(max(result["gaps"]["answers_with_late"], result["gaps"]["answers_with_holes"]))
        for result in results
    ]
    figures.append(
        Figure(f"answers before the end, {at}", sum(early), "answers", 0 if ours else None, early, peer)
    )
    figures.append(Figure(f"answers with gaps, {at}", sum(late), "answers", 0 if ours else None, late, peer))
    return figures
