"""What of a planned speech was really heard, from how much of each piece was played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CHARACTERS_PER_SECOND = 15.0
"""Conversational English, about 180 words a minute; used before anything better is known."""

BACKCHANNELS = {
    "uh", "huh", "uh-huh", "mhm", "mm", "hmm", "yeah", "yes", "yep", "right", "ok", "okay", "sure", "aha",
    "ah", "oh", "wow", "nice", "cool", "great", "i", "see",
}  # fmt: skip


def is_backchannel(text: str) -> bool:
    """Nothing but "uh-huh": said while somebody speaks, it takes no turn."""
    words = text.casefold().replace(",", " ").replace(".", " ").split()
    return len(words) <= 3 and all(word in BACKCHANNELS for word in words)


@dataclass(frozen=True)
class Piece:
    """One spoken piece (a sentence) of a speech; seconds of its own audio."""

    text: str
    played_s: float = 0.0
    queued_s: float = 0.0
    synthesized: bool = True
    """False when the speech stopped before all of its audio was made: `queued_s` is then too short."""


@dataclass(frozen=True)
class Heard:
    """What people heard of a speech, and what they did not."""

    text: str
    unheard: str


def heard(pieces: Sequence[Piece]) -> Heard:
    """Whole pieces that were played out, and of the last one the words that fit into what was played.

    A word counts as heard when it was played to its end; words are taken to last as long as
    they have letters. Measured word times can replace this where a backend gives them.
    """
    said: list[str] = []
    left: list[str] = []
    for piece in pieces:
        words = piece.text.split()
        count = len(words) if _whole(piece) else _words_within(words, _fraction(piece, pieces))
        if left:
            count = 0  # nothing after a break was heard
        said += words[:count]
        left += words[count:]
    return Heard(" ".join(said), " ".join(left))


def _whole(piece: Piece) -> bool:
    # 20 ms: one frame may be cut off at the end by rounding
    return piece.synthesized and piece.queued_s > 0 and piece.played_s >= piece.queued_s - 0.02


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
