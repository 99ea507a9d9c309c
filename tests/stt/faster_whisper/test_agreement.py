from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from voicebot.stt.base import TimedWord
from voicebot.stt.faster_whisper.agreement import Agreement


def words(text: str, *, start: float = 0.0, each: float = 0.5) -> list[TimedWord]:
    """Word after word, half a second each, with the blanks that Whisper gives."""
    return [
        TimedWord(f" {word}", start + number * each, start + (number + 1) * each)
        for number, word in enumerate(text.split())
    ]


def text(heard: list[TimedWord]) -> str:
    return "".join(word.text for word in heard).strip()


def test_what_two_hypotheses_agree_on_is_committed() -> None:
    agreement = Agreement()
    agreement.insert(words("what is the whether"))
    assert (text(agreement.committed), text(agreement.tentative)) == ("", "what is the whether")
    agreement.insert(words("What is the weather in"))
    assert (text(agreement.committed), text(agreement.tentative)) == ("What is the", "weather in")
    agreement.insert(words("Who is the weather, in Paris?"))  # too late for the first word
    assert (text(agreement.committed), text(agreement.tentative)) == ("What is the weather, in", "Paris?")
    assert text(agreement.words) == "What is the weather, in Paris?"


def test_a_later_window_continues_after_the_committed_words() -> None:
    agreement = Agreement()
    for _ in range(2):
        agreement.insert(words("one two three"))
    agreement.insert(words("three four five", start=1.1))  # the times of "three" moved
    agreement.insert(words("four five six", start=1.5))
    assert text(agreement.committed) == "one two three four five"


def test_a_word_said_twice_appears_twice() -> None:
    agreement = Agreement()
    for heard in ("no", "no no", "no no no", "no no no"):
        agreement.insert(words(heard))
    assert text(agreement.committed) == "no no no"


def test_boundaries_are_sentence_ends_or_word_ends() -> None:
    agreement = Agreement()
    agreement.settle(words("Yes. I like it. Do you"))
    assert agreement.boundary(0) == 4
    assert agreement.boundary(4) == 4
    assert agreement.boundary(4, sentences=False) == 6


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "a."]), max_size=8), max_size=12))
def test_committed_words_never_change(hypotheses: list[list[str]]) -> None:
    agreement = Agreement()
    before: list[TimedWord] = []
    for hypothesis in hypotheses:
        agreement.insert(words(" ".join(hypothesis)))
        assert agreement.committed[: len(before)] == before
        before = list(agreement.committed)
        times = [word.start for word in agreement.words]
        assert times == sorted(times)
