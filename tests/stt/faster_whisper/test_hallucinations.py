from __future__ import annotations

import pytest

from voicebot.stt.base import TimedWord
from voicebot.stt.faster_whisper.hallucinations import is_hallucination, without_loop


@pytest.mark.parametrize(
    ("text", "no_speech", "log_probability", "faint", "made_up"),
    [
        ("Hello.", 0.9, -1.5, False, True),
        ("Hello.", 0.9, -0.3, False, False),
        ("Hello.", 0.1, -1.5, False, False),
        ("Thank you for watching!", 0.1, -0.2, True, True),
        ("Thank you for watching!", 0.1, -0.2, False, False),
        ("Thank you for your help.", 0.1, -0.2, True, False),
        ("ご視聴ありがとうございました。", 0.1, -0.2, True, True),
        ("", 0.0, 0.0, True, False),
    ],
)
def test_hallucinations_are_recognised(
    text: str, no_speech: float, log_probability: float, faint: bool, made_up: bool
) -> None:
    assert (
        is_hallucination(text, no_speech=no_speech, log_probability=log_probability, faint=faint) is made_up
    )


@pytest.mark.parametrize(
    ("said", "ratio", "kept"),
    [
        ("no no no no no no", 1.5, "no no no no no no"),
        ("so I go to go to go to go to go to the", 2.5, "so I go to the"),
        ("well no, No no, no no no", 3.0, "well no,"),
        ("a b c d", 3.0, "a b c d"),
    ],
)
def test_an_unnatural_repetition_is_reduced_to_one_round(said: str, ratio: float, kept: str) -> None:
    words = [TimedWord(f" {word}", number, number + 1) for number, word in enumerate(said.split())]
    assert " ".join(word.text.strip() for word in without_loop(words, ratio)) == kept
