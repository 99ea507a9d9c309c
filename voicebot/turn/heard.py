"""Which part of a planned speech was heard, from how much of each piece was played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

CHARACTERS_PER_SECOND = 15.0
"""Conversational English, about 180 words a minute; used until something better is known."""
FRAME = 0.02
"""Seconds of one frame, which rounding may cut off the end."""


@dataclass(frozen=True)
class Piece:
    """One piece of a speech, usually a sentence; times are seconds of its own audio."""

    text: str
    played_s: float = 0.0
    queued_s: float = 0.0
    synthesized: bool = True
    """False if the speech stopped before all its audio was made; `queued_s` is then too short."""
    ends: Sequence[float] = ()
    """When each word of `text` ends, if the voice reports it; else estimated from the letters."""


@dataclass(frozen=True)
class Heard:
    """What people heard of a speech and what they did not."""

    text: str
    unheard: str


def heard(pieces: Sequence[Piece]) -> Heard:
    """Split a speech: pieces played in full, and the words of the last one that were played to their end."""
    said: list[str] = []
    left: list[str] = []
    for piece in pieces:
        words = piece.text.split()
        if _whole(piece):
            count = len(words)
        elif len(piece.ends) == len(words):
            count = sum(end <= piece.played_s + FRAME for end in piece.ends) if piece.played_s else 0
        else:
            count = _words_within(words, _fraction(piece, pieces))
        if left:
            count = 0  # nothing after a break was heard
        said += words[:count]
        left += words[count:]
    return Heard(" ".join(said), " ".join(left))


def word_ends(text: str, spoken: Sequence[tuple[str, float]], *, complete: bool = True) -> tuple[float, ...]:
    """When each word of `text.split()` ends, from the (word, end) pairs that a voice reported, in order.

    A voice may read "12" as two words, or two words as one. A word without a pair ends with the next word
    that has one; words the voice has not reached never end. Empty if no pair fits.
    `complete`: the voice will report no more; else nothing after the last matching word has been reached.
    """
    words = text.split()
    told = [_bare(word) for word, _ in spoken]
    ends: list[float | None] = [None] * len(words)
    following = spoken[-1][1] if spoken and complete else float("inf")
    matcher = SequenceMatcher(None, [_bare(word) for word in words], told, autojunk=False)
    for block in matcher.get_matching_blocks():
        for at in range(block.size):
            ends[block.a + at] = spoken[block.b + at][1]
        if block.size and block.b + block.size == len(told) and block.a + block.size < len(words):
            following = float("inf")
    if not any(end is not None for end in ends):
        return ()
    filled: list[float] = []
    for end in reversed(ends):
        following = following if end is None else min(end, following)
        filled.append(following)
    return tuple(reversed(filled))


def _bare(word: str) -> str:
    return "".join(sign for sign in word.casefold() if sign.isalnum()) or word


def _whole(piece: Piece) -> bool:
    return piece.synthesized and piece.queued_s > 0 and piece.played_s >= piece.queued_s - FRAME


def _fraction(piece: Piece, pieces: Sequence[Piece]) -> float:
    length = piece.queued_s
    if not piece.synthesized:
        known = [p for p in pieces if p.synthesized and p.queued_s > 0]
        audio, letters = sum(p.queued_s for p in known), sum(len(p.text) for p in known)
        per_letter = audio / letters if audio and letters else 1 / CHARACTERS_PER_SECOND
        length = max(length, len(piece.text) * per_letter)
    return min(1.0, piece.played_s / length) if length > 0 else 0.0


def _words_within(words: Sequence[str], fraction: float) -> int:
    total = sum(len(word) + 1 for word in words)
    end = 0
    for count, word in enumerate(words):
        end += len(word) + 1
        if end > fraction * total + 1e-9:
            return count
    return len(words)
