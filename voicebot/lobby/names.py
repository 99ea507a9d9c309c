"""Clean the names that people type, and keep them apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import regex

from voicebot.errors import SignalingError
from voicebot.lobby.lookalikes import INVISIBLE, shapes

MAX_GRAPHEMES = 40
MAX_MARKS = 4
"""Marks on one letter. No language needs more, and a taller stack would cover the text above."""
_ZWJ = "\u200d"


def clean_name(raw: str) -> str:
    """The name in NFC on one line, without invisible, control or format characters, at most 40 graphemes.

    Raises:
        SignalingError: `bad_name`: nothing visible is left.
    """
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", raw):
        if char.isspace():
            kept.append(" ")
        elif char == _ZWJ:
            if kept and unicodedata.category(kept[-1]) in {"So", "Sk", "Mn", "Mc"}:
                kept.append(char)  # part of an emoji or an Indic letter
        elif char not in INVISIBLE and unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}:
            marks = marks + 1 if unicodedata.category(char)[0] == "M" else 0
            if marks <= MAX_MARKS:
                kept.append(char)
    name = "".join(graphemes(" ".join("".join(kept).split()))[:MAX_GRAPHEMES]).strip(f" {_ZWJ}")
    if not any(unicodedata.category(char)[0] in "LNPS" for char in name):
        raise SignalingError(
            "This name has no visible character.", hint="Choose a name with letters.", code="bad_name"
        )
    return name


def distinct_name(name: str, taken: Iterable[str]) -> str:
    """The clean name, numbered if a reader could confuse it with one in `taken`."""
    there = frozenset[str]().union(*map(shapes, taken))
    number, found = 1, name
    while shapes(found) & there:
        number += 1
        suffix = f" {number}"
        found = "".join(graphemes(name)[: MAX_GRAPHEMES - len(suffix)]).strip(f" {_ZWJ}") + suffix
    return found


def graphemes(text: str) -> list[str]:
    """Split a text into extended grapheme clusters (UAX #29), which readers see as characters."""
    found: list[str] = regex.findall(r"\X", text)
    return found
