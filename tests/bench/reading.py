"""How long it takes to read what others write, at its hardest."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import product

from tests.bench.report import Figure
from tests.security.input.patterns import SUFFIXES, Found, in_functions, of_modules, pumps
from tests.security.input.readers import EVENTS, PUMPS, READERS
from voicebot.conversation.frames.rows import rows_of
from voicebot.conversation.manifest import Manifest, ParticipantRecord

LENGTH = 2048
GOALS_MS = {"patterns": 10.0, "readers": 200.0, "events": 3000.0}
MANY = 40_000


def reading(runs: int) -> list[Figure]:
    """The worst of all strings for each function that reads text, for all patterns, and for many events."""
    found = [*of_modules(), *in_functions()[0]]
    figures = [_figure("any pattern", "patterns", [_patterns(found) for _ in range(runs)])]
    figures += [
        _figure(name, "readers", [_worst(read) for _ in range(runs)]) for name, read in READERS.items()
    ]
    figures += [_figure(f"{MANY} events: {k}", "events", [_events(k) for _ in range(runs)]) for k in EVENTS]
    return figures


def _figure(name: str, kind: str, seen: list[float]) -> Figure:
    return Figure(f"reading, {name}", statistics.median(seen), "ms", GOALS_MS[kind], seen)


def _taken(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def _long(prefix: str, pump: str, suffix: str) -> str:
    return prefix + pump * max(1, LENGTH // len(pump)) + suffix


def _patterns(all_found: list[Found]) -> float:
    return max(
        _taken(partial(pattern.match if found.anchored else pattern.findall, _long(prefix, pump, suffix)))
        for found in all_found
        for pattern in (found.compiled,)
        for (prefix, pump), suffix in product(pumps(pattern), SUFFIXES)
    )


def _worst(read: Callable[[str], object]) -> float:
    return max(
        _taken(partial(read, _long(*parts))) for parts in product(("", "Ada, my email is "), PUMPS, SUFFIXES)
    )


def _events(kind: str) -> float:
    events = [EVENTS[kind](n).model_copy(update={"seq": n, "t": float(n)}) for n in range(MANY)]
    people = {str(n): ParticipantRecord() for n in range(MANY)} if kind == "speakers" else {}
    return _taken(partial(rows_of, events, Manifest(conversation_id="c", participants=people)))
