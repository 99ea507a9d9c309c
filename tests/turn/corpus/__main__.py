"""`python -m tests.turn.corpus`: the accuracy per category; with `-v` each mistake of the development part."""

from __future__ import annotations

import sys

from tests.turn.corpus.lines import PARTS, load, score


def main() -> None:
    for part in PARTS:
        scored = score(load(part))
        sys.stdout.write(f"{part}: {scored.accuracy:.1%}\n{scored.table()}\n\n{scored.confusions()}\n\n")
        if part == "development" and "-v" in sys.argv:
            sys.stdout.write(scored.mistakes() + "\n\n")


main()
