"""Word times from the times of Piper's phonemes."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from voicebot.tts.base import WordTime

if TYPE_CHECKING:
    from piper.voice import PhonemeAlignment

NEAR = 2
"""A word may have this many more or fewer phonemes in a sentence than alone."""


@dataclass(frozen=True)
class Sound:
    """An audible phoneme; `first` if a blank precedes it. Times are samples or seconds."""

    start: float
    end: float
    first: bool


def sounds(alignments: Iterable[PhonemeAlignment]) -> Iterator[Sound]:
    """The audible phonemes of one sentence; times are samples of the model's audio."""
    position, first = 0, True
    for phoneme in alignments:
        end = position + int(phoneme.num_samples)
        if _heard(phoneme.phoneme):
            yield Sound(position, end, first)
            first = False
        elif phoneme.phoneme == " ":
            first = True
        position = end


def word_times(
    text: str, spoken: Sequence[Sound], phonemize: Callable[[str], list[list[str]]]
) -> list[WordTime]:
    """Assign phonemes (times in seconds) to the words of `text`; empty if there are too few.

    Blanks between phonemes are no guide: "12:30" is two words, and "of the" is spoken as one. So each word
    gets as many phonemes as it has alone, and begins at a blank if one is near.
    """
    words: list[str] = []
    for word in text.split():
        if words and not (_spoken(word) and _spoken(words[-1])):
            words[-1] += f" {word}"  # a dash
        else:
            words.append(word)
    alone = [sum(_heard(one) for sentence in phonemize(word) for one in sentence) for word in words]
    starts = [0]
    for number in range(1, len(words)):
        share = round(sum(alone[:number]) / max(1, sum(alone)) * len(spoken))
        far = min(NEAR, alone[number - 1] // 2, alone[number] // 2)
        near = [n for n in range(share - far, share + far + 1) if n < len(spoken) and spoken[n].first]
        starts.append(min(near, key=lambda n: abs(n - share), default=share))
    starts.append(len(spoken))
    if any(end <= start for start, end in pairwise(starts)):
        return []
    return [
        WordTime(word, spoken[start].start, spoken[end - 1].end)
        for word, (start, end) in zip(words, pairwise(starts), strict=True)
    ]


def _spoken(word: str) -> bool:
    return any(c.isalnum() for c in word)


def _heard(phoneme: str) -> bool:
    """Whether it is audible, not a blank, punctuation, stress or length mark."""
    return unicodedata.category(phoneme[0]) in ("Ll", "Lo", "Lu")
