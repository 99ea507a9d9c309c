"""How often an endpointing cuts in, and how long it keeps people waiting, over synthetic conversations.

    python -m tests.bench.endpointing [--turns 2000]

Speakers are drawn from the distributions below (assumptions, stated there); the same turns go through every
endpointing, so the figures compare them, and say little of any one real person.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles

from voicebot.turn.endpointing.pauses import PauseStatistics
from voicebot.turn.endpointing.policies import DynamicEndpointing, Endpointing, FixedEndpointing, Pause

TOLD = 0.1
"""Seconds of silence after which a pause is told."""
WRITTEN = 0.35
"""Seconds of silence after which a recogniser that transcribes whole utterances has written what was said."""
SPREAD = 0.5
"""Standard deviation of the logarithm of a pause (Campione and Véronis 2002 find them log-normal)."""
HESITATION, BOUNDARY, GROUP = 0.7, 0.3, 0.55
"""Median seconds of a pause in the middle of a phrase, between two clauses, between groups of digits."""

# "|" is a pause in the middle of a phrase, "/" one between clauses, "+" one between groups of digits
TURNS = """
what is the weather in paris?
can you tell me | a story?
i would like | a coffee please
i like tea and | coffee
the sea is deep / and it is full of fish
i went to the | market yesterday / because i needed some bread
my phone number is five five five + one two three + four five six seven
um | i think | it was on monday
yes
no thanks
i think so / but i am not sure
what do you know about | the history of | lighthouses?
my name is | anna
it is a long story / we were young / and had no money
where are you from?
let me think | maybe on friday
how does it work / and what does it cost?
i want to | go to the theatre with | my sister
the code is four seven + one one
that is wonderful / thank you
""".strip().splitlines()


@dataclass(frozen=True)
class Told:
    """A pause: what was said until then, how long it is, and whether the turn is over."""

    text: str
    seconds: float
    last: bool


def speaker_turns(random_: random.Random, count: int) -> Iterator[list[Told]]:
    """Turns of one speaker, who pauses longer or shorter than others."""
    habit = random_.lognormvariate(0.0, 0.35)
    for _ in range(count):
        yield turn(random_, random_.choice(TURNS), habit)


def turn(random_: random.Random, marked: str, habit: float) -> list[Told]:
    said, pauses = "", []
    for piece in marked.replace("|", "|\n").replace("/", "/\n").replace("+", "+\n").split("\n"):
        said = f"{said} {piece.strip(' |/+')}".strip()
        median = {"|": HESITATION, "/": BOUNDARY, "+": GROUP}.get(piece.strip()[-1])
        if median is None:
            pauses.append(Told(said, 0.0, last=True))
        else:
            pauses.append(Told(said, median * habit * random_.lognormvariate(0.0, SPREAD), last=False))
    return pauses


def written(text: str, *, punctuated: bool) -> str:
    """As a recogniser writes it: one sets a full stop after everything, the other nothing at all."""
    if not punctuated:
        return text.strip("?")
    return text[:1].upper() + text[1:] + ("" if text.endswith("?") else ".")


@dataclass(frozen=True)
class Result:
    """`cut_in`: share of turns that were cut into; seconds of silence after which real ends were taken."""

    cut_in: float
    mean_s: float
    p90_s: float


def simulate(endpointing: Endpointing, *, punctuated: bool, turns: int = 2000) -> Result:
    """Let an endpointing listen to speakers of forty turns each."""
    random_ = random.Random(1)
    cut, waited = 0, []
    for _ in range(max(1, turns // 40)):
        statistics = PauseStatistics()
        for pauses in speaker_turns(random_, 40):
            ends = [end_of(endpointing, pause, statistics, punctuated=punctuated) for pause in pauses]
            cut += any(end < pause.seconds for end, pause in zip(ends[:-1], pauses[:-1], strict=True))
            waited.append(ends[-1])
    return Result(cut / len(waited), fmean(waited), quantiles(waited, n=10)[-1])


def end_of(endpointing: Endpointing, told: Told, statistics: PauseStatistics, *, punctuated: bool) -> float:
    """Seconds of silence after which the turn is taken for over; the statistics learn as ears let them."""
    text, known = written(told.text, punctuated=punctuated), WRITTEN if punctuated else TOLD
    first = endpointing.decide(Pause("p", TOLD, 2.0, "", statistics=statistics))
    decision = endpointing.decide(Pause("p", known, 2.0, text, statistics=statistics))
    end = first.delay_s if first.delay_s <= known else max(known, decision.delay_s)
    if told.last:
        statistics.ended()
    elif told.seconds <= end:
        if not decision.expects_more:
            statistics.went_on(told.seconds)
    elif told.seconds <= 1.0:  # cut into, which shows when the speaker goes on at once
        statistics.ended()
        statistics.cut_in(told.seconds)
    return end


def compared(turns: int) -> dict[str, tuple[Result, Result]]:
    """Every endpointing without and with punctuation."""
    candidates: dict[str, Endpointing] = {
        f"fixed {d:g} s": FixedEndpointing(d) for d in (0.3, 0.5, 0.8, 1.2, 2)
    }
    candidates["dynamic"] = DynamicEndpointing()
    return {
        name: (simulate(one, punctuated=False, turns=turns), simulate(one, punctuated=True, turns=turns))
        for name, one in candidates.items()
    }


def rows(results: dict[str, tuple[Result, Result]]) -> Sequence[str]:
    head = f"{'':12} {'cut into':>9} {'mean':>7} {'p90':>7}   {'cut into':>9} {'mean':>7} {'p90':>7}"
    lines = [f"{'':12} {'without punctuation':>25}   {'with punctuation':>25}", head]
    for name, both in results.items():
        cells = "   ".join(f"{r.cut_in:9.1%} {r.mean_s:5.2f} s {r.p90_s:5.2f} s" for r in both)
        lines.append(f"{name:12} {cells}")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=2000)
    print("\n".join(rows(compared(parser.parse_args().turns))))
