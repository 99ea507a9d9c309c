from __future__ import annotations

from voicebot.tts.phonemes import Sound, word_times


def test_words_get_as_many_phonemes_as_they_have_alone() -> None:
    def said(groups: str) -> list[Sound]:
        firsts = [n == 0 for group in groups.split() for n in range(len(group))]
        return [Sound(float(n), n + 1.0, first) for n, first in enumerate(firsts)]

    def phonemize(word: str) -> list[list[str]]:
        return [list({"12:30 -": "twelv \u02c8thirti", "of": "ov", "the": "the"}.get(word, word))]

    def spans(text: str, groups: str) -> list[tuple[str, int, int]]:
        times = word_times(text, said(groups), phonemize)
        return [(word.text, int(word.start), int(word.end)) for word in times]

    assert spans("at 12:30 - of the", "at twelv thirti ovthe") == [
        ("at", 0, 2),
        ("12:30 -", 2, 13),
        ("of", 13, 15),
        ("the", 15, 18),
    ]
    assert spans("idea of", "idear of") == [("idea", 0, 5), ("of", 5, 7)]  # a sound more in a sentence
    assert spans("- one - two -", "one two") == [("- one -", 0, 3), ("two -", 3, 6)]
    assert spans("one two", "o") == []
    assert spans("", "") == []
