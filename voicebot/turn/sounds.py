"""How much a recognised word sounds like a name, from spelling alone."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import groupby

from rapidfuzz import fuzz

SAME_SOUND = 0.95
"""Similarity of two spellings of one sound; identical spellings have 1."""
FUZZY = 0.85
"""Similarity at which a recognised word counts as a long name."""
LONG = 7
"""Letters of a long name; shorter ones are one letter away from everyday words ("wanna", Wanda)."""

VOWELS = frozenset("aeiou")
WEAK = frozenset("hlmnrv")
"""Consonants that recognisers most often add or drop."""
NEAR = frozenset(
    frozenset(pair)
    for pair in (
        "td", "tT", "dT", "sS", "sT", "sj", "Sj", "fv", "fT", "kg", "gj", "mn", "nl", "lr", "rv", "bp", "bv",
        "pf",
    )
)  # fmt: skip
"""Consonants with the same place or manner of articulation."""

_SPELLINGS = (
    ("ph", "f"), ("ck", "k"), ("sh", "S"), ("th", "T"), ("c", "k"), ("q", "k"), ("z", "s"), ("y", "i"),
    ("ai", "a"), ("ei", "a"), ("ay", "a"), ("ee", "i"), ("ea", "i"), ("ie", "i"), ("oo", "u"),
    ("ou", "u"), ("ah", "a"), ("eh", "e"), ("oh", "o"), ("w", "v"), ("x", "ks"), ("h", ""),
)  # fmt: skip
_FURTHER = (
    ("ce", "se"), ("ci", "si"), ("cy", "si"), ("igh", "i"), ("kn", "n"), ("wr", "r"), ("gh", "g"),
    ("au", "o"), ("aw", "o"),
)  # fmt: skip
_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ß": "ss", "\u2019": "'"}
)


@lru_cache(maxsize=8192)
def fold(text: str) -> str:
    """Lower case, Latin letters without diacritics ("Łukasz" -> "lukasz"), straight apostrophes."""
    if text.isascii():
        return text.lower()
    letters = []
    for letter in unicodedata.normalize("NFC", text).casefold().translate(_LETTERS):
        base = unicodedata.normalize("NFKD", letter)
        letters.append(base[0] if base and base[0].isascii() else letter)
    return "".join(letters)


def name_similarity(name: str, spoken: str) -> float:
    """How much a recognised word sounds like a name, 0 to 1; 0 if it cannot be that name.

    Strict enough to test every word of a sentence: it hardly ever takes an everyday word for a name.
    """
    a, b = _joined(name), _joined(spoken)
    if a == b:
        return 1.0
    if abs(len(a) - len(b)) > 2 and a.isascii():
        return 0.0
    if a and not a.isascii() and _unspaced(a[0]) and b.startswith(a):
        return SAME_SOUND  # with a suffix such as "-san", in a script without spaces
    if len(a) < 3 or len(b) < 2 or abs(len(a) - len(b)) > 2:
        return 0.0
    one, other = _sound(a), _sound(b)
    if one == other:
        return SAME_SOUND
    if len(a) < LONG or spoken.count(" ") != name.count(" ") or one[:1] != other[:1]:
        return 0.0
    return fuzz.ratio(one, other, score_cutoff=FUZZY * 100) / 100


@lru_cache(maxsize=4096)
def first_sound(beginning: str) -> str:
    """The first sound of a folded word, from its first three letters. Similar words share it."""
    return _sound(beginning)[:1]


@lru_cache(maxsize=8192)
def phonetic_similarity(name: str, spoken: str) -> float:
    """How close a misheard word is to a name, 0 to 1; for places where only a name is expected.

    One minus the cost of the cheapest alignment of the two sounds, per sound: replacing a vowel costs a
    quarter, a similar consonant a third. This is a Levenshtein distance weighted by groups of letters, like
    Editex (Zobel and Dart 1996, "Phonetic string matching: lessons from information retrieval", SIGIR).
    """
    one, other = _loose(_joined(name)), _loose(_joined(spoken))
    if abs(len(one) - len(other)) > 3 or not set(one) & set(other):
        return 0.0
    row = [0.0]
    for letter in other:
        row.append(row[-1] + _lost(letter))
    for a in one:
        before, row = row, [row[0] + _lost(a)]
        for at, b in enumerate(other, 1):
            row.append(min(before[at - 1] + _exchanged(a, b), before[at] + _lost(a), row[at - 1] + _lost(b)))
    return max(0.0, 1 - row[-1] / max(len(one), len(other)))


def _exchanged(a: str, b: str) -> float:
    if a == b:
        return 0.0
    if a in VOWELS and b in VOWELS:
        return 0.25
    return 0.3 if frozenset((a, b)) in NEAR else 1.0


def _lost(letter: str) -> float:
    return 0.4 if letter in VOWELS else 0.6 if letter in WEAK else 0.8


@lru_cache(maxsize=8192)
def _joined(words: str) -> str:
    return fold(words).replace(" ", "").replace("-", "").replace("'", "")


def _unspaced(letter: str) -> bool:
    """Whether the script has no spaces before suffixes: Chinese, Japanese, Korean or Thai."""
    return "\u0e00" <= letter <= "\u0e7f" or "\u1100" <= letter <= "\u11ff" or "\u3040" <= letter <= "\ud7ff"


@lru_cache(maxsize=8192)
def _sound(word: str) -> str:
    """A rough phonetic key for English: no doubled letters, no silent h, one spelling for each vowel.

    "th" and "sh" keep keys of their own, so that "edit" is not Edith and "Irish" is not Iris.
    """
    for spelled, sound in _SPELLINGS:
        word = word.replace(spelled, sound)
    return "".join(letter for letter, _ in groupby(word))


@lru_cache(maxsize=8192)
def _loose(word: str) -> str:
    """A looser key with soft c and silent letters: "Grace", "graze" and "greys" are equal."""
    for spelled, sound in _FURTHER:
        word = word.replace(spelled, sound)
    key = _sound(word)
    return key[:-1] if len(key) > 3 and key[-1] == "e" and key[-2] not in VOWELS else key
