from __future__ import annotations

import pytest

from voicebot.turn.interruption import OverlapKind, classify_overlap

SIGNS = [
    "uh-huh", "Uh huh.", "mhm", "mm-hmm", "yeah", "Yeah, yeah.", "right", "Right, right.", "okay",
    "oh wow", "I see", "I see, yeah.", "oh, really?", "all right", "got it", "of course", "ha ha ha",
    "hahaha", "hehe",
    "[laughter]", "(coughs)", "[NOISE]", "++uh++", "*laughs* yeah", "that's right", "That\u2019s true.",
    "ja genau",
    "ach so", "oui", "muahaha",
]  # fmt: skip
WORDS = [
    "stop", "wait", "no", "hold on", "what", "I think so", "I see a problem", "yeah but", "right but why",
    "okay stop", "hmm no", "ada", "so what", "really, why?", "that's wrong", "yes yes yes yes yes",
    "of the sea",
    "oh no it is not", "all of them", "halt", "nein", "haha stop it", "[laughter] what do you mean",
]  # fmt: skip


@pytest.mark.parametrize("text", SIGNS)
def test_backchannels_do_not_interrupt(text: str) -> None:
    assert classify_overlap(text) is OverlapKind.BACKCHANNEL


@pytest.mark.parametrize("text", WORDS)
def test_words_interrupt(text: str) -> None:
    assert classify_overlap(text) is OverlapKind.INTERRUPTION


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_noise_is_not_speech(text: str) -> None:
    assert classify_overlap(text) is OverlapKind.NOTHING


@pytest.mark.parametrize("whole", ["I see", "of course", "that's right", "oh yeah got it"])
def test_the_beginning_of_a_backchannel_does_not_interrupt(whole: str) -> None:
    words = whole.split()
    for count in range(1, len(words) + 1):
        assert classify_overlap(" ".join(words[:count])) is OverlapKind.BACKCHANNEL
