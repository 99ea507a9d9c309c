"""What partial transcripts say about the end of a turn, with punctuation (Whisper) and without."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.turn.endpointing.text import Ending, read_ending

NAMES = ("Ada", "Bruno", "Anna Lee")

ENGLISH: list[tuple[str, Ending]] = [
    # nothing
    ("", Ending.NOTHING),
    ("  ", Ending.NOTHING),
    ("...", Ending.NOTHING),
    # complete, punctuated
    ("What is the weather in Paris?", Ending.QUESTION),
    ("Where are you from?", Ending.QUESTION),
    ("Who should I give it to?", Ending.QUESTION),
    ("What is that?!", Ending.QUESTION),
    ("I would like a coffee.", Ending.SENTENCE),
    ("Paris.", Ending.SENTENCE),
    ("That is wonderful!", Ending.SENTENCE),
    ("He said \u201cgo home.\u201d", Ending.SENTENCE),
    ("I think so.", Ending.ANSWER),
    ("She really hopes so.", Ending.SENTENCE),
    # complete, not punctuated
    ("what is the weather in paris", Ending.QUESTION_SHAPE),
    ("so where do you come from", Ending.QUESTION_SHAPE),
    ("can you tell me a story", Ending.QUESTION_SHAPE),
    ("what's the time", Ending.QUESTION_SHAPE),
    ("i would like a coffee please", Ending.SENTENCE),
    ("that was lovely thank you", Ending.SENTENCE),
    ("the sea is deep", Ending.PLAIN),
    ("i think it is", Ending.PLAIN),
    ("now i know why", Ending.PLAIN),
    ("hello ada", Ending.PLAIN),
    ("i'd like that one", Ending.PLAIN),
    ("do you know", Ending.QUESTION_SHAPE),
    ("where are you from", Ending.QUESTION_SHAPE),
    ("what is it like", Ending.QUESTION_SHAPE),
    # answers
    ("yes", Ending.ANSWER),
    ("No.", Ending.ANSWER),
    ("Okay.", Ending.ANSWER),
    ("no thanks", Ending.ANSWER),
    ("I don\u2019t know.", Ending.ANSWER),
    ("yes it is", Ending.ANSWER),
    ("no i don't", Ending.ANSWER),
    ("uh-huh", Ending.ANSWER),
    ("why not", Ending.ANSWER),
    ("hello", Ending.ANSWER),
    # unfinished, whatever the recogniser punctuates
    ("i like tea and", Ending.UNFINISHED),
    ("I like tea and.", Ending.UNFINISHED),
    ("I like tea, but,", Ending.UNFINISHED),
    ("i went to the", Ending.UNFINISHED),
    ("I went to the.", Ending.UNFINISHED),
    ("it was because", Ending.UNFINISHED),
    ("my name is", Ending.UNFINISHED),
    ("i'm", Ending.UNFINISHED),
    ("i want to", Ending.UNFINISHED),
    ("can you come with", Ending.UNFINISHED),
    ("what is", Ending.UNFINISHED),
    ("and so", Ending.UNFINISHED),
    ("the man who", Ending.UNFINISHED),
    ("I was thinking\u2026", Ending.UNFINISHED),
    ("And then I-", Ending.UNFINISHED),
    # may go on
    ("When I was young,", Ending.CLAUSE),
    ("Yes,", Ending.CLAUSE),
    ("I would like to.", Ending.CLAUSE),
    ("what do you know about", Ending.CLAUSE),
    ("What do you know about.", Ending.CLAUSE),
    ("can you tell me", Ending.CLAUSE),
    ("Well, I think.", Ending.CLAUSE),
    ("i think", Ending.CLAUSE),
    # fillers
    ("um", Ending.FILLER),
    ("Um.", Ending.FILLER),
    ("i would like uh", Ending.FILLER),
    ("I would like, um...", Ending.FILLER),
    ("let me think", Ending.FILLER),
    ("it is you know", Ending.PLAIN),  # "is you know": no filler can be told from the verb
    ("well you know", Ending.FILLER),
    ("hang on", Ending.FILLER),
    ("i cannot wait", Ending.PLAIN),
    # names
    ("ada", Ending.VOCATIVE),
    ("Ada?", Ending.VOCATIVE),
    ("hey ada", Ending.VOCATIVE),
    ("Okay, Bruno.", Ending.VOCATIVE),
    ("anna lee", Ending.VOCATIVE),
    ("anna", Ending.VOCATIVE),
    ("hi ada", Ending.PLAIN),
    # numbers and dictation
    ("i have two", Ending.NUMBER),
    ("It is 5.", Ending.NUMBER),
    ("i was born in nineteen eighty four", Ending.NUMBER),
    ("in 1984", Ending.NUMBER),
    ("five five five", Ending.DICTATION),
    ("555-12", Ending.DICTATION),
    ("five five five one two three four five six seven", Ending.NUMBER),
    ("Call me on 030 1234 5678.", Ending.NUMBER),
    ("my phone number is five", Ending.DICTATION),
    ("The code is 47", Ending.DICTATION),
    ("it is spelled a d", Ending.DICTATION),
    ("A, D, A", Ending.DICTATION),
    ("plan b", Ending.PLAIN),
    # one amount, one time of day, one abbreviation
    ("It is 12:30.", Ending.NUMBER),
    ("It is about 3.14.", Ending.NUMBER),
    ("It costs $1,000,000.", Ending.NUMBER),
    ("They have 1,234.50", Ending.NUMBER),
    ("I will come at 5 p.m.", Ending.SENTENCE),
    ("I will come at 12:30 p.m.", Ending.SENTENCE),
    ("I live in the U.S.A.", Ending.SENTENCE),
    ("let us meet at five p. m.", Ending.SENTENCE),
    ("i get up at six a m", Ending.PLAIN),
    ("I was born on May 5, 1984.", Ending.NUMBER),
    ("We are open 24/7.", Ending.NUMBER),
    ("5,5,5", Ending.DICTATION),
    ("555.123.4567", Ending.NUMBER),
    ("My code is 12.5", Ending.DICTATION),
    ("It is spelled A.D.A.", Ending.DICTATION),
    ("my email is ada", Ending.DICTATION),
    ("ada at example dot", Ending.DICTATION),
    ("ada at example dot com", Ending.PLAIN),
    ("It is ada@example", Ending.DICTATION),
    ("It is ada@example.com.", Ending.SENTENCE),
    ("It is ada@example", Ending.DICTATION),
    ("It is ada@", Ending.DICTATION),
    ("ada@example.com is mine.", Ending.SENTENCE),
    ("See https://www.example.com.", Ending.SENTENCE),
    ("See www.", Ending.DICTATION),
    ("what is your phone number", Ending.QUESTION_SHAPE),
]  # fmt: skip


@pytest.mark.parametrize(("text", "ending"), ENGLISH)
def test_english_transcripts_are_classified_by_their_ending(text: str, ending: Ending) -> None:
    assert read_ending(text, names=NAMES).ending is ending


@pytest.mark.parametrize(
    ("text", "language", "ending"),
    [
        ("Wie geht es dir?", "de", Ending.QUESTION),
        ("Ich bin in", "de", Ending.PLAIN),  # no word lists: neither good nor bad
        ("Ich mag Tee.", "de", Ending.SENTENCE),
        ("Ich mag Tee,", "de", Ending.CLAUSE),
        ("also um", "de", Ending.PLAIN),  # "um" is a German word
        ("Ich dachte\u2026", "de", Ending.UNFINISHED),
        ("\u4f60\u597d\u5417\uff1f", "zh", Ending.QUESTION),
        ("\u6211\u5f88\u597d\u3002", "zh", Ending.SENTENCE),
        ("0 3 0", "de", Ending.DICTATION),
        ("Um 5", "de", Ending.NUMBER),
        ("Es kostet 3,50.", "de", Ending.NUMBER),
        ("Ada", "de", Ending.VOCATIVE),
        ("\u092a\u094d\u0930\u093f\u092f\u093e", "hi", Ending.VOCATIVE),
        ("\u5c0f\u660e", "zh", Ending.VOCATIVE),
        ("\u30b1\u30f3\u3055\u3093", "ja", Ending.VOCATIVE),  # with "-san"
        # the whole sentence is one word where no spaces are written
        ("\u5c0f\u660e\u4f60\u4eca\u5929\u597d\u5417\uff1f", "zh", Ending.QUESTION),
        ("\u30b1\u30f3\u3055\u3093\u4f55\u304b\u8a71\u3057\u3066\u3002", "ja", Ending.SENTENCE),
        ("I like tea and", "en-GB", Ending.UNFINISHED),
    ],
)
def test_other_languages_are_read_by_punctuation_and_digits(text: str, language: str, ending: Ending) -> None:
    names = (*NAMES, "\u092a\u094d\u0930\u093f\u092f\u093e", "\u5c0f\u660e", "\u30b1\u30f3")
    assert read_ending(text, language=language, names=names).ending is ending


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("i like tea and", "ends with 'and'"),
        ("i would like uh", "ends with 'uh'"),
        ("hey ada", "only Ada was called"),
        ("let me think", "'let me think' asks for a moment"),
        ("five five five", "a number is being dictated"),
        ("b o b", "letters are being dictated"),
        ("ada at example dot", "an address is being dictated"),
        ("What is it?", "a complete question"),
    ],
)
def test_a_reading_gives_its_reason_in_words(text: str, because: str) -> None:
    assert read_ending(text, names=NAMES).because == because


@given(st.text(max_size=80), st.sampled_from(["", "en", "de", "zh"]))
def test_any_text_can_be_read_and_gives_the_same_result_twice(text: str, language: str) -> None:
    assert read_ending(text, language=language, names=NAMES) == read_ending(
        text, language=language, names=NAMES
    )


@given(st.sampled_from([text for text, _ in ENGLISH if text.islower()]))
def test_a_question_mark_never_makes_a_text_less_complete(text: str) -> None:
    asked = read_ending(f"{text}?", names=NAMES).ending
    assert asked is Ending.QUESTION or asked in (Ending.VOCATIVE, Ending.FILLER)
