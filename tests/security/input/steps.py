"""A backtracking matcher that counts its steps: what a pattern costs, exactly and on every machine.

It walks the tree of `re._parser` as the engine of `re` does, without that engine's short cuts, so it may
count more steps and never fewer in kind: linear stays linear, quadratic quadratic. One step is one
character that is looked at, or one way that is tried.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from re import _parser  # type: ignore[attr-defined]
from typing import Any

Match = Callable[[int], int]
"""From a position to the end of the match, -1 where there is none."""
NO = -1
DEPTH = 100_000
"""Calls within calls: some for each character that a group has repeated."""
SINGLE = {_parser.LITERAL, _parser.NOT_LITERAL, _parser.ANY, _parser.IN}
REPEATS = {_parser.MAX_REPEAT, _parser.MIN_REPEAT, _parser.POSSESSIVE_REPEAT}


class TooManySteps(Exception):
    """The limit was exceeded."""


class Steps:
    """Counts the steps of one pattern over several texts. `spans` returns the matches."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.taken = 0
        self._limit = 0
        self._text = ""
        self._barred = NO
        """Where no empty match may end, for there was one."""
        self._groups: dict[int, tuple[int, int]] = {}
        self._begun: dict[int, int] = {}
        self._whole = self._sequence(_parser.parse(pattern.pattern, pattern.flags), pattern.flags, self._end)

    def spans(self, text: str, limit: int, *, anchored: bool = False) -> list[tuple[int, int]]:
        """Where it matches, as `finditer` tells it; only at the beginning if `anchored`.

        Raises:
            TooManySteps: More than `limit`.
        """
        self.taken, self._limit, self._text = 0, limit, text
        self._groups.clear()
        self._begun.clear()
        depth = sys.getrecursionlimit()
        sys.setrecursionlimit(DEPTH)
        try:
            return self._find(anchored)
        finally:
            sys.setrecursionlimit(depth)

    def _find(self, anchored: bool) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        at, self._barred = 0, NO
        while at <= len(self._text):
            self._step(1)
            end = self._whole(at)
            if end != NO:
                found.append((at, end))
            if anchored:
                break
            if end == at:  # found, and once only
                self._barred = at
            else:
                at = at + 1 if end == NO else end
        return found

    def _end(self, at: int) -> int:
        return NO if at == self._barred else at

    def _step(self, count: int) -> None:
        self.taken += count
        if self.taken > self._limit:
            raise TooManySteps

    # ------------------------------------------------------------ one closure for each part of the pattern

    def _sequence(self, parsed: Sequence[Any], flags: int, then: Match) -> Match:
        for operation, argument in reversed(list(parsed)):
            then = self._part(operation, argument, flags, then)
        return then

    def _part(self, operation: Any, argument: Any, flags: int, then: Match) -> Match:
        if operation in SINGLE:
            return self._one(_accepts(operation, argument, flags), then)
        if operation in REPEATS:
            least, most, inner = argument
            if len(inner) == 1 and inner[0][0] in SINGLE:
                return self._run(operation, least, most, _accepts(*inner[0], flags), then)
            if operation is _parser.POSSESSIVE_REPEAT:
                return self._alone(self._loop(_parser.MAX_REPEAT, least, most, inner, flags, _here), then)
            return self._loop(operation, least, most, inner, flags, then)
        if operation is _parser.SUBPATTERN:
            group, added, removed, inner = argument
            flags = (flags | added) & ~removed
            if group is None:
                return self._sequence(inner, flags, then)
            return self._open(group, self._sequence(inner, flags, self._close(group, then)))
        if operation is _parser.BRANCH:
            return self._choice([self._sequence(way, flags, then) for way in argument[1]])
        if operation is _parser.ATOMIC_GROUP:
            return self._alone(self._sequence(argument, flags, _here), then)
        if operation in (_parser.ASSERT, _parser.ASSERT_NOT):
            return self._look(operation is _parser.ASSERT, *argument, flags, then)
        if operation is _parser.AT:
            return self._place(argument, flags, then)
        if operation is _parser.GROUPREF:
            return self._again(argument, then)
        raise NotImplementedError(f"{operation} is not counted yet")

    def _one(self, accepts: Callable[[str], bool], then: Match) -> Match:
        def match(at: int) -> int:
            self._step(1)
            return then(at + 1) if at < len(self._text) and accepts(self._text[at]) else NO

        return match

    def _run(
        self, operation: Any, least: int, most: Any, accepts: Callable[[str], bool], then: Match
    ) -> Match:
        """A repetition of a single character."""

        def match(at: int) -> int:
            text, end = self._text, at
            last = len(text) if most is _parser.MAXREPEAT else min(len(text), at + int(most))
            lazy = operation is _parser.MIN_REPEAT
            while end < last and (not lazy or end < at + least) and accepts(text[end]):
                end += 1
            self._step(end - at + 1)
            if end < at + least:
                return NO
            if operation is _parser.POSSESSIVE_REPEAT:
                return then(end)
            while True:
                self._step(1)
                found = then(end)
                if found != NO:
                    return found
                if not lazy:
                    end -= 1
                    if end < at + least:
                        return NO
                elif end < last and accepts(text[end]):
                    end += 1
                else:
                    return NO

        return match

    def _loop(
        self, operation: Any, least: int, most: Any, inner: Sequence[Any], flags: int, then: Match
    ) -> Match:
        """A repetition of anything."""
        state = (0, NO)  # how often so far, and where the last one began

        def more(at: int) -> int:
            nonlocal state
            here = count, began = state
            if (most is not _parser.MAXREPEAT and count >= most) or (at == began and count >= least):
                return NO
            state = count + 1, at
            found = body(at)
            state = here
            return found

        def leave(at: int) -> int:
            nonlocal state
            here = state
            found = then(at) if here[0] >= least else NO
            state = here
            return found

        first, second = (leave, more) if operation is _parser.MIN_REPEAT else (more, leave)

        def again(at: int) -> int:
            self._step(1)
            found = first(at)
            return found if found != NO else second(at)

        def match(at: int) -> int:
            nonlocal state
            here, state = state, (0, NO)
            found = again(at)
            state = here
            return found

        body = self._sequence(inner, flags, again)
        return match

    def _open(self, group: int, inner: Match) -> Match:
        def match(at: int) -> int:
            before = self._begun.get(group, NO)
            self._begun[group] = at
            found = inner(at)
            self._begun[group] = before
            return found

        return match

    def _close(self, group: int, then: Match) -> Match:
        def match(at: int) -> int:
            before = self._groups.get(group)
            begun = self._begun[group]
            self._groups[group] = (begun, at)
            found = then(at)
            self._begun[group] = begun
            if found == NO and before is not None:
                self._groups[group] = before
            elif found == NO:
                del self._groups[group]
            return found

        return match

    def _choice(self, ways: list[Match]) -> Match:
        def match(at: int) -> int:
            for way in ways:
                self._step(1)
                found = way(at)
                if found != NO:
                    return found
            return NO

        return match

    def _alone(self, inner: Match, then: Match) -> Match:
        """An atomic group, which never gives back what it matched."""

        def match(at: int) -> int:
            end = inner(at)
            return then(end) if end != NO else NO

        return match

    def _look(self, wanted: bool, direction: int, inner: Any, flags: int, then: Match) -> Match:
        look = self._sequence(inner, flags, _here)
        width = inner.getwidth()[0] if direction < 0 else 0

        def match(at: int) -> int:
            self._step(1)
            found = at >= width and look(at - width) != NO
            return then(at) if found is wanted else NO

        return match

    def _place(self, where: Any, flags: int, then: Match) -> Match:
        """A position, judged by `re`, which looks only at the adjacent characters."""
        anchor = re.compile(ANCHORS[str(where)], flags)

        def match(at: int) -> int:
            self._step(1)
            return then(at) if anchor.match(self._text, at) else NO

        return match

    def _again(self, group: int, then: Match) -> Match:
        def match(at: int) -> int:
            if group not in self._groups:
                return NO
            start, end = self._groups[group]
            self._step(end - start + 1)
            same = self._text.startswith(self._text[start:end], at)
            return then(at + end - start) if same else NO

        return match


ANCHORS = {
    "AT_BEGINNING": "^",
    "AT_BEGINNING_STRING": r"\A",
    "AT_BOUNDARY": r"\b",
    "AT_NON_BOUNDARY": r"\B",
    "AT_END": "$",
    "AT_END_STRING": r"\Z",
}


def _here(at: int) -> int:
    return at


def _accepts(operation: Any, argument: Any, flags: int) -> Callable[[str], bool]:
    """Whether a single character matches; cached answers of `re`."""
    if operation is _parser.LITERAL:
        source = re.escape(chr(argument))
    elif operation is _parser.NOT_LITERAL:
        source = f"[^{re.escape(chr(argument))}]"
    else:
        source = "." if operation is _parser.ANY else character_set(argument)
    single = re.compile(source, flags & ~re.VERBOSE)
    known: dict[str, bool] = {}

    def accepts(character: str) -> bool:
        found = known.get(character)
        if found is None:
            found = known[character] = single.fullmatch(character) is not None
        return found

    return accepts


def character_set(argument: Sequence[Any]) -> str:
    """The source of a character set."""
    parts = {
        _parser.LITERAL: lambda value: re.escape(chr(value)),
        _parser.RANGE: lambda value: f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}",
        _parser.NEGATE: lambda value: "^",
        _parser.CATEGORY: lambda value: CATEGORIES[str(value)],
    }
    return f"[{''.join(parts[operation](value) for operation, value in argument)}]"


CATEGORIES = {
    f"CATEGORY_{no}{name}": f"\\{letter.upper() if no else letter}"
    for name, letter in (("DIGIT", "d"), ("SPACE", "s"), ("WORD", "w"))
    for no in ("", "NOT_")
}
