"""What Whisper says when nobody spoke: phrases of its training's subtitles, and endless repetitions."""

from __future__ import annotations

from collections.abc import Sequence

from voicebot.stt.base import TimedWord

NO_SPEECH, LOG_PROBABILITY, REPETITION = 0.6, -1.0, 2.4
"""Whisper's own thresholds (openai/whisper, transcribe.py) for segments that nobody said."""
LONGEST_LOOP = 8
"""Words of a phrase that is repeated."""
TIMES = 4
"""As often as a person may well say the same thing in a row."""
SUBTITLES = frozenset(
    {
        "thank you",
        "thanks",
        "thank you for watching",
        "thanks for watching",
        "thank you very much",
        "please subscribe",
        "subscribe",
        "bye",
        "bye bye",
        "you",
        "the end",
        "subtitles by the amaraorg community",
        "vielen dank",
        "vielen dank fürs zuschauen",
        "untertitel der amaraorg community",
        "merci",
        "sous-titres réalisés par la communauté damaraorg",
        "gracias",
        "gracias por ver el video",
        "subtítulos por la comunidad de amaraorg",
        "продолжение следует",
        "ご視聴ありがとうございました",
        "谢谢观看",
    }
)
"""Whole utterances that Whisper makes up for near-silence, without case and punctuation."""


def is_hallucination(text: str, *, no_speech: float, log_probability: float, faint: bool) -> bool:
    """Did Whisper make `text` up? A known phrase counts only where the audio is too faint for speech."""
    unsure = no_speech > NO_SPEECH and log_probability < LOG_PROBABILITY
    return unsure or (faint and _bare(text) in SUBTITLES)


def without_loop(words: Sequence[TimedWord], repetition: float) -> tuple[TimedWord, ...]:
    """`words`, and when they are as repetitive (compression ratio) as no speech is: the loop said once."""
    if repetition <= REPETITION:
        return tuple(words)
    said = [_bare(word.text) for word in words]
    kept: list[TimedWord] = []
    at = 0
    while at < len(words):
        length, times = _loop(said, at)
        kept += words[at : at + length]
        at += length * times
    return tuple(kept)


def _loop(said: Sequence[str], at: int) -> tuple[int, int]:
    """The shortest phrase at `at` that is said too often in a row, and how often; else one word, once."""
    for length in range(1, LONGEST_LOOP + 1):
        phrase, times = said[at : at + length], 1
        while said[at + times * length : at + (times + 1) * length] == phrase:
            times += 1
        if times > TIMES:
            return length, times
    return 1, 1


def _bare(text: str) -> str:
    return " ".join("".join(c for c in text.casefold() if c.isalnum() or c in " -").split())
