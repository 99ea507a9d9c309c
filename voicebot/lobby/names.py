"""Names that people type, made fit to show: no invisible or direction-changing characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from voicebot.errors import SignalingError

MAX_GRAPHEMES = 40
MAX_MARKS = 4
"""On one letter; no language needs more, and a tower of them covers what is above it."""
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters, marks and symbols by their category, and nothing to be seen."""
_LIKE = {
    "a": "\u0430\u03b1\u0251",
    "b": "\u0432\u044c\u03b2",
    "c": "\u0441\u03f2",
    "d": "\u0501",
    "e": "\u0435\u03b5\u0454",
    "h": "\u043d\u04bb",
    "j": "\u0458\u03f3",
    "k": "\u043a\u03ba",
    "l": "i1|!\u0456\u03b9\u04cf\u0131\u01c0",
    "m": "\u043c",
    "n": "\u03b7\u0578",
    "o": "0\u043e\u03bf\u0585",
    "p": "\u0440\u03c1",
    "q": "\u051b",
    "r": "\u0433",
    "s": "5$\u0455\u03c3",
    "t": "\u0442\u03c4",
    "u": "\u03c5\u057d",
    "v": "\u03bd\u0475",
    "w": "\u051d\u03c9",
    "x": "\u0445\u03c7",
    "y": "\u0443\u03b3\u04af",
    "z": "\u03b6",
}
_SKELETON = str.maketrans({like: letter for letter, likes in _LIKE.items() for like in likes})
_ZWJ = "\u200d"
_REGIONAL = range(0x1F1E6, 0x1F200)
_SKIN_TONES = range(0x1F3FB, 0x1F400)


def clean_name(raw: str) -> str:
    """NFC, one line, no control, bidi, other format or invisible characters, at most 40 graphemes.

    Raises:
        SignalingError: `bad_name`, when nothing visible is left.
    """
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", raw):
        if char.isspace():
            kept.append(" ")
        elif char == _ZWJ:
            if kept and unicodedata.category(kept[-1]) in {"So", "Sk", "Mn", "Mc"}:
                kept.append(char)  # of an emoji or an Indic letter
        elif char not in _INVISIBLE and unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}:
            marks = marks + 1 if unicodedata.category(char)[0] == "M" else 0
            if marks <= MAX_MARKS:
                kept.append(char)
    name = "".join(graphemes(" ".join("".join(kept).split()))[:MAX_GRAPHEMES]).strip(f" {_ZWJ}")
    if not any(unicodedata.category(char)[0] in "LNPS" for char in name):
        raise SignalingError(
            "This name has no visible character.", hint="Choose a name of letters.", code="bad_name"
        )
    return name


def distinct_name(name: str, taken: Iterable[str]) -> str:
    """A clean name, numbered when a reader could take it for one of those that are taken."""
    skeletons = {skeleton(one) for one in taken}
    number, found = 1, name
    while skeleton(found) in skeletons:
        number += 1
        suffix = f" {number}"
        found = "".join(graphemes(name)[: MAX_GRAPHEMES - len(suffix)]).strip(f" {_ZWJ}") + suffix
    return found


def skeleton(name: str) -> str:
    """Equal for names that look alike: without case, marks, spaces, and with one letter for all of a shape.

    After the idea of UTS #39, with the letters of Cyrillic and Greek that pass for Latin ones.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    bare = "".join(c for c in plain if unicodedata.category(c)[0] not in "MZC")
    return bare.translate(_SKELETON).replace("rn", "m").replace("vv", "w")


def graphemes(text: str) -> list[str]:
    """What a reader counts as characters, near enough to UAX #29 for a length limit.

    Marks, joiners, variation selectors and skin tones stay with what they follow, flags
    are pairs; Hangul needs no rule because the text is NFC.
    """
    found: list[str] = []
    for char in text:
        last = found[-1] if found else ""
        joined = last.endswith(_ZWJ) or char == _ZWJ
        extends = unicodedata.category(char) in {"Mn", "Me", "Mc"} or ord(char) in _SKIN_TONES
        flag = ord(char) in _REGIONAL and len(last) == 1 and ord(last) in _REGIONAL
        if last and (joined or extends or flag):
            found[-1] = last + char
        else:
            found.append(char)
    return found
