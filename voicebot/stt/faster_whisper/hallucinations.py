"""Recognise what Whisper invents: phrases from its training's subtitles, and endless repetitions."""

from __future__ import annotations

from collections.abc import Sequence

from voicebot.stt.base import TimedWord

NO_SPEECH, LOG_PROBABILITY, REPETITION = 0.6, -1.0, 2.4
"""Whisper's own thresholds (openai/whisper, transcribe.py) for segments without speech."""
LONGEST_LOOP = 8
"""Words of a repeated phrase, at most."""
TIMES = 4
"""How often a person may say the same thing in a row."""
SUBTITLES = frozenset({
    "thank you", "thanks", "thank you for watching", "thanks for watching", "thank you very much",
    "please subscribe", "subscribe", "bye", "bye bye", "you", "the end",
    "subtitles by the amaraorg community", "vielen dank", "vielen dank fürs zuschauen",
    "untertitel der amaraorg community", "merci", "sous-titres réalisés par la communauté damaraorg",
    "gracias", "gracias por ver el video", "subtítulos por la comunidad de amaraorg", "продолжение следует",
    "ご視聴ありがとうございました", "谢谢观看",
})  # fmt: skip
"""Whole utterances that Whisper invents for near-silence, without case and punctuation."""


def is_hallucination(text: str, *, no_speech: float, log_probability: float, faint: bool) -> bool:
    """Whether Whisper invented `text`. A known phrase counts only if the audio is too faint for speech."""
    unsure = no_speech > NO_SPEECH and log_probability < LOG_PROBABILITY
    return unsure or (faint and _bare(text) in SUBTITLES)


def without_loop(words: Sequence[TimedWord], repetition: float) -> tuple[TimedWord, ...]:
    """Reduce loops in `words` to one round if the compression ratio `repetition` is too high for speech."""
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
    """The length of the shortest phrase that repeats too often from `at` on, and how often; else (1, 1)."""
    for length in range(1, LONGEST_LOOP + 1):
        phrase, times = said[at : at + length], 1
        while said[at + times * length : at + (times + 1) * length] == phrase:
            times += 1
        if times > TIMES:
            return length, times
    return 1, 1


def _bare(text: str) -> str:
    return " ".join("".join(c for c in text.casefold() if c.isalnum() or c in " -").split())
