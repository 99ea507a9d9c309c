"""Summarise without a language model, by extracting the speakers' most important sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence

from voicebot.llm.lines import ChatLine

SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])\s*")
ABOUT_THEMSELVES = re.compile(
    r"\b(my|i am|i'm|i was|i have|i've|i like|i love|i hate|i live|i work|i want|i need|i will|call me|we)\b",
    re.I,
)
FACT = re.compile(r"\d|\b(remember|because|never|always|decided|agreed|promise|tomorrow|name)\b", re.I)


def extract(before: str, lines: Sequence[ChatLine], longest: int) -> str:
    """Summarise: the previous summary `before`, then who said what, in at most `longest` characters.

    Sentences that speakers say about themselves come first, then those with numbers, names and agreements;
    of sentences with equal weight, the newest. If all of it does not fit, the oldest part of `before` is
    dropped.
    """
    found: list[tuple[int, int, str]] = []
    for line in lines:
        for sentence in filter(None, SENTENCE.split(line.text)):
            said = f'{line.speaker or "I"} said: "{sentence.strip()}"'
            found.append((_weight(sentence), len(found), said))
    chosen: list[tuple[int, str]] = []
    room = longest // 2 if before else longest
    for _, at, said in sorted(found, key=lambda one: (-one[0], -one[1])):
        if len(said) + 1 <= room:
            chosen.append((at, said))
            room -= len(said) + 1
    new = " ".join(said for _, said in sorted(chosen))
    left = longest - len(new) - 1
    if len(before) > left:
        before = before[len(before) - left :] if left > 0 else ""
        before = before[before.find('" ') + 2 :] if '" ' in before else ""
    return f"{before} {new}".strip()


def _weight(sentence: str) -> int:
    if len(sentence.split()) < 3 or sentence.endswith("?"):
        return 0
    return 2 * bool(ABOUT_THEMSELVES.search(sentence)) + bool(FACT.search(sentence))
