"""No regular expression and no function of the package is slow on hostile text.

The tests count exactly: the steps of a matcher, and the executed lines of Python. `make bench-reading`
measures the time.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import product
from types import FrameType
from typing import Any

import pytest

from tests.security.input.patterns import PACKAGE, SUFFIXES, Found, in_functions, of_modules, pumps
from tests.security.input.readers import EVENTS, PUMPS, READERS
from tests.security.input.steps import Steps, TooManySteps
from voicebot.conversation.frames.rows import rows_of
from voicebot.conversation.manifest import Manifest, ParticipantRecord
from voicebot.events import Event

SIZES = (20, 128, 512)
"""Growing, so that an exponential pattern is found out soon."""
SUSPICIOUS = 10
"""Steps for each of 128 characters: only what takes more can be slow with 512."""
ALLOWED = 256
"""Steps for each character: a bound on repetitions such as {0,80} makes 230, a quadratic pattern 389."""
PARTS = 2
MADE = {
    "voicebot/redaction.py '|'.join(map(_matching, forms))": None,  # of nothing but what is escaped
    "voicebot/llm/phrases.py pattern": None,  # each of them is compiled while the package is imported
    "voicebot/llm/small_talk.py f'\\\\b{re.escape(name)}\\\\W*\\\\?'": r"\bada\W*\?",
    "voicebot/llm/small_talk.py f'^(?:hey |hello |okay |so )?{own}\\\\b ?|\\\\b ?{own}$'": (
        r"^(?:hey |hello |okay |so )?ada\b ?|\b ?ada$"
    ),
    "voicebot/persona/create.py own": r"(?<!\w)Ada(?!\w)",
}
"""Patterns that are made of something while the program runs, by their place: an example of each."""


class Id(str):
    """A name whose comparison is a line of Python, and so is counted."""

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


def lines(work: Callable[[], object], limit: int) -> int:
    """The number of executed lines of Python; stops beyond `limit`."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += 1
        if count > limit:
            raise TooManySteps
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(TooManySteps):
            work()
    finally:
        sys.settrace(before)
    return count


def patterns() -> list[Found]:
    found, made = in_functions()
    assert set(made) == set(MADE), "give an example of what a new pattern is made of to MADE"
    examples = [Found(where, pattern, 0) for where, pattern in MADE.items() if pattern is not None]
    return list(dict.fromkeys([*of_modules(), *found, *examples]))


def test_every_pattern_is_found() -> None:
    """Those in tuples, dictionaries and functions, and one in every module that has any."""
    found = patterns()
    assert len(found) > 100
    where = {one.where.split(":")[0].removesuffix(".py").replace("/", ".") for one in found}
    with_some = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bre\.(compile|search|match|fullmatch|split|findall|finditer|sub)\(", path.read_text())
    }
    assert with_some <= {place.split(" ")[0] for place in where}


def test_slow_patterns_are_detected() -> None:
    """The strings expose a cubic, an exponential and a quadratic pattern."""
    for pattern in (r"(\S+@\S*?|www\.\S*?)[.,;!?]*$", r"(?:a+)+b", r"!\[([^\]]*)\]\([^)]*\)"):
        assert worst(Found("here", pattern, 0)) is not None


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_no_pattern_is_slow(part: int) -> None:
    """Patterns are found when the test runs, because that imports the whole package."""
    slow = {str(found): worst(found) for found in patterns()[part::PARTS]}
    assert {where: string for where, string in slow.items() if string is not None} == {}


def worst(found: Found) -> tuple[str, int] | None:
    """A string that needs too many steps, and its length."""
    steps = Steps(found.compiled)
    for (prefix, pump), suffix in product(pumps(found.compiled), SUFFIXES):
        for size in SIZES:
            text = prefix + pump * max(1, size // len(pump)) + suffix
            try:
                steps.spans(text, ALLOWED * len(text), anchored=found.anchored)
            except TooManySteps:
                return text[:100], size
            if size > SIZES[0] and steps.taken < SUSPICIOUS * len(text):
                break
    return None


@pytest.mark.parametrize("part", range(PARTS))
def test_the_step_counter_agrees_with_the_regex_engine(part: int) -> None:
    for found in patterns()[part::PARTS]:
        pattern = found.compiled
        steps = Steps(pattern)
        for (prefix, pump), suffix in product(pumps(pattern), SUFFIXES):
            text = prefix + pump * max(1, SIZES[0] // len(pump)) + suffix
            first = pattern.match(text)
            matches = ([first] if first else []) if found.anchored else list(pattern.finditer(text))
            spans = steps.spans(text, 10**6, anchored=found.anchored)
            assert spans == [match.span() for match in matches], (str(found), text)


LONG = 1024
LINES = dict.fromkeys(READERS, 500) | {"detect_echo": 4000, "speakable": 2000, "whole answers": 2000}
"""Of Python for each character: most readers take up to 250; with the square of the length it would be more
than a thousand. An echo is compared with what was played, each at most 600 letters. In text to be spoken, a
Markdown parser looks for the end of a link at each bracket, within a piece of some hundred letters: 1,220."""


@pytest.mark.parametrize("name", READERS)
def test_no_function_that_reads_foreign_text_is_slow(name: str) -> None:
    for prefix, pump, suffix in product(("", "Ada, my email is "), PUMPS, SUFFIXES):
        text = prefix + pump * max(1, LONG // len(pump)) + suffix
        most = LINES[name] * len(text)
        assert lines(partial(READERS[name], text), most) <= most, text[:60]


MANY = 1000
EACH = 400
"""Lines of Python for an event, about twice as many as there are; with the square of their number it would be
more than a thousand."""


def named(event: Event) -> Event:
    texts = {key: Id(value) for key, value in vars(event).items() if key != "type" and isinstance(value, str)}
    return event.model_copy(update=texts)


@pytest.mark.parametrize("kind", EVENTS)
def test_reading_events_takes_linear_time(kind: str) -> None:
    events = [named(EVENTS[kind](n).model_copy(update={"seq": n, "t": float(n)})) for n in range(MANY)]
    people = {Id(n): ParticipantRecord() for n in range(MANY)} if kind == "speakers" else {}
    manifest = Manifest(conversation_id="c", participants=people)
    assert lines(partial(rows_of, events, manifest), EACH * MANY) <= EACH * MANY
