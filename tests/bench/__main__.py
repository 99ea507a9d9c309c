"""`make bench`: measure, print a table, keep it in .bench/<target>.json.

python -m tests.bench [voice|media|notebook|signaling|reading|churn|peers] [--runs 3] [--quick]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tests.bench.alone import SESSIONS, media, voice
from tests.bench.beside import MODES, beside
from tests.bench.connections.signaling import churned, signaling
from tests.bench.notebook import blocked_cells
from tests.bench.reading import reading
from tests.bench.report import machine, publish

TARGETS = ("voice", "media", "notebook", "signaling", "reading", "churn", "peers")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("target", nargs="?", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=3, help="each figure is a median over this many runs")
    parser.add_argument("--turns", type=int, default=8, help="questions asked per session and run")
    parser.add_argument("--sessions", type=int, nargs="+", help="on one core, for media and peers")
    parser.add_argument(
        "--sounds", type=int, default=4, help="coughs and the like per kind and run, for voice"
    )
    parser.add_argument("--peers", nargs="*", default=["pipecat", "fastrtc", "floor"], help="beside us")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES, help="of turn-taking, for peers")
    parser.add_argument("--seconds", type=float, default=1800, help="of coming and going, for churn")
    parser.add_argument("--quick", action="store_true", help="one short run, to see that it works")
    parser.add_argument("--list", action="store_true", help="print the targets")
    a = parser.parse_args()
    if a.list:
        print("\n".join(TARGETS))
        return
    if a.quick:
        a.runs, a.turns, a.sessions, a.seconds, a.sounds = 1, 2, [1], 10, 1
    folder = os.environ.get("VOICEBOT_PEERS", "")
    if a.target == "peers" and not folder:
        parser.error("VOICEBOT_PEERS must name the folder with run.py and probe.py.")
    # half an hour of churn is only measured when asked for
    left_out = {"churn"} if folder else {"churn", "peers"}
    wanted = [a.target] if a.target else [name for name in TARGETS if name not in left_out]
    for target in wanted:
        where = machine()
        if target == "voice":
            figures = voice(a.runs, a.turns, a.sounds)
        elif target == "media":
            figures = media(a.runs, a.turns, a.sessions or SESSIONS)
        elif target == "notebook":
            figures = blocked_cells(a.runs)
        elif target == "signaling":
            short = {"sockets": 200, "rate": 200, "seconds": 2, "cuts": 20} if a.quick else {}
            figures = signaling(a.runs, **short)
        elif target == "reading":
            figures = reading(a.runs)
        elif target == "churn":
            figures = churned(a.seconds)
        else:
            sessions = a.sessions or [1, 4, 8, 16, 24]
            figures = beside(Path(folder).resolve(), a.runs, sessions, a.peers, a.modes)
        print(f"written to {publish(target, figures, where)}")


if __name__ == "__main__":
    main()
