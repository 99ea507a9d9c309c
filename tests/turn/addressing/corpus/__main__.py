"""`python -m tests.turn.addressing.corpus` prints the accuracy per category; `-v` adds the mistakes."""

from __future__ import annotations

import sys

from tests.turn.addressing.corpus.lines import PARTS, false_calls, load, score
from voicebot.persona.create import NAMES


def main() -> None:
    for part in PARTS:
        scored = score(load(part))
        sys.stdout.write(f"{part}: {scored.accuracy:.1%}\n{scored.table()}\n\n{scored.confusions()}\n\n")
        if part == "development" and "-v" in sys.argv:
            sys.stdout.write(scored.mistakes() + "\n\n")
    for part in PARTS[:2]:
        calls, tried = false_calls(part, NAMES)
        sys.stdout.write(f"everyday lines, {part}: {len(calls)} of {tried} taken for a call\n")


main()
