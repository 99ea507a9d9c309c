"""Finds all regular expressions of the package, and makes hard strings for each."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import voicebot
from tests.security.input.steps import character_set

PACKAGE = Path(voicebot.__file__).parent
COMPILING = {"compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"}
GENERIC = (
    "a",
    "A",
    "1",
    " ",
    "\n",
    "-",
    "'",
    ".",
    ",",
    "@",
    "_",
    "<",
    "[",
    "(",
    "*",
    "`",
    "\u00e9",
    "\u4f60",
)
SUFFIXES = ("", " \0")
MOST = 100
"""Strings for one pattern."""
RECORDER = """
import importlib, json, pkgutil, re, sys
found, names, compile = set(), {}, re._compile
def record(pattern, flags):
    module = sys._getframe(2).f_globals.get("__name__", "")
    if isinstance(pattern, str) and module.startswith("voicebot"):
        found.add((module, pattern, int(flags)))
    return compile(pattern, flags)
re._compile = record
import voicebot
for module in pkgutil.walk_packages(voicebot.__path__, "voicebot."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for module in [m for name, m in sys.modules.items() if name.startswith("voicebot")]:
    for name, value in vars(module).items():
        if isinstance(value, re.Pattern):
            names.setdefault(value.pattern, name)
print(json.dumps([[*one, names.get(one[1], "")] for one in sorted(found)]))
"""


@dataclass(frozen=True)
class Found:
    """A pattern, and where it was found."""

    where: str
    pattern: str
    flags: int
    name: str = ""
    """Of the module's, or of the function of `re` that gets it."""

    def __str__(self) -> str:
        return f"{self.where} {self.pattern}"[:80]

    @property
    def anchored(self) -> bool:
        """Whether it is only tried at the beginning of a text."""
        uses = {self.name} if self.name in COMPILING else _uses()[self.name]
        return bool(self.name) and uses <= {"match", "fullmatch"}

    @property
    def compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, self.flags)


@cache
def of_modules() -> tuple[Found, ...]:
    """Everything that is compiled while the whole package is imported."""
    told = subprocess.run([sys.executable, "-c", RECORDER], capture_output=True, text=True, check=True)
    return tuple(Found(*one) for one in json.loads(told.stdout.splitlines()[-1]))


@cache
def _uses() -> dict[str, set[str]]:
    """The methods called on each name, anywhere in the package."""
    uses: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                uses[node.value.id if isinstance(node.value, ast.Name) else node.value.attr].add(node.attr)
    return uses


@cache
def in_functions() -> tuple[tuple[Found, ...], tuple[str, ...]]:
    """Patterns inside functions, and the places where functions build patterns."""
    found: list[Found] = []
    made: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE.parent).as_posix()
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            for call in ast.walk(function):
                if not (
                    isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Attribute)
                    and _is_of_re(call.func)
                ):
                    continue
                first, flags = call.args[0], [a for a in ast.walk(call) if _is_flag(a)]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    value = sum(int(getattr(re, flag.attr)) for flag in flags)  # type: ignore[attr-defined]
                    found.append(Found(f"{name}:{call.lineno}", first.value, value, call.func.attr))
                else:
                    made.append(f"{name} {ast.unparse(first)}")
    return tuple(dict.fromkeys(found)), tuple(dict.fromkeys(made))


def _is_of_re(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "re"
        and node.attr in COMPILING
    )


def _is_flag(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "re"
        and node.attr.isupper()
    )


# ------------------------------------------------------------ hard strings


def pumps(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """(prefix, repeated text) for each repetition in the pattern, and mixtures of them."""
    parsed = _parser.parse(pattern.pattern, pattern.flags)
    leading = dict.fromkeys([("", ""), *_repeats(parsed, "")])
    tokens = [token for token in dict.fromkeys(_tokens(parsed)) if token]
    bodies = list(dict.fromkeys([body for _, body in leading if body] + tokens))
    mixed = [a + b for a, b in product(bodies[:9], bodies[:9])]
    everything = dict.fromkeys([*leading, *(("", one) for one in (*bodies, *mixed, *GENERIC))])
    prefixes = dict.fromkeys(prefix for prefix, _ in leading)
    more = product(islice(prefixes, 1, 5), (*GENERIC, *bodies[:6]))
    return [one for one in dict.fromkeys([*everything, *more]) if one[1]][:MOST]


def _repeats(parsed: Sequence[Any], before: str) -> Iterator[tuple[str, str]]:
    """Each unbounded repetition at any depth: the text before it, and one repetition."""
    for operation, argument in parsed:
        if operation in (_parser.MAX_REPEAT, _parser.MIN_REPEAT, _parser.POSSESSIVE_REPEAT):
            _, most, inner = argument
            if most > 8:
                for body in _variants(inner):
                    yield before, body
            yield from _repeats(inner, before)
        else:
            for inner in _parts(operation, argument):
                yield from _repeats(inner, before)
        before += _sample([(operation, argument)])


def _parts(operation: Any, argument: Any) -> list[Any]:
    if operation is _parser.SUBPATTERN:
        return [argument[-1]]
    if operation is _parser.BRANCH:
        return list(argument[1])
    if operation in (_parser.ASSERT, _parser.ASSERT_NOT):
        return [argument[1]]
    if operation is _parser.ATOMIC_GROUP:
        return [argument]
    return [argument[2]] if operation in (_parser.MAX_REPEAT, _parser.MIN_REPEAT) else []


def _variants(parsed: Sequence[Any]) -> Iterator[str]:
    """A text that it matches; several for a single character or a choice."""
    yield _sample(parsed)
    for operation, argument in parsed:
        if operation is _parser.IN:
            yield from _members(argument)
        for inner in _parts(operation, argument):
            yield from islice(_variants(inner), 12)


def _tokens(parsed: Sequence[Any]) -> Iterator[str]:
    """The words and signs in the pattern."""
    word = ""
    for operation, argument in parsed:
        if operation is _parser.LITERAL:
            word += chr(argument)
            continue
        yield word
        word = ""
        if operation is _parser.IN:
            yield from _members(argument)
        for inner in _parts(operation, argument):
            yield from _tokens(inner)
    yield word


def _sample(parsed: Sequence[Any]) -> str:
    """Some text that it approximately matches."""
    text = ""
    for operation, argument in parsed:
        if operation is _parser.LITERAL:
            text += chr(argument)
        elif operation is _parser.NOT_LITERAL:
            text += "a" if argument != ord("a") else "b"
        elif operation is _parser.ANY:
            text += "a"
        elif operation is _parser.IN:
            text += next(_members(argument), "")
        elif operation in (_parser.MAX_REPEAT, _parser.MIN_REPEAT, _parser.POSSESSIVE_REPEAT):
            text += _sample(argument[2]) * max(1, min(argument[0], 40))
        elif operation not in (_parser.ASSERT, _parser.ASSERT_NOT):
            parts = _parts(operation, argument)
            text += _sample(parts[0]) if parts else ""
    return text


def _members(argument: Sequence[Any]) -> Iterator[str]:
    """Characters in a set, or some that it does not exclude."""
    single = re.compile(character_set(argument))
    named = [chr(value if operation is _parser.LITERAL else value[0]) for operation, value in argument
             if operation in (_parser.LITERAL, _parser.RANGE)]  # fmt: skip
    yield from islice((c for c in dict.fromkeys([*named, *GENERIC]) if single.fullmatch(c)), 8)
