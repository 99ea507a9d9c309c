from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.agent.speaking.sentences import Speakable, clean


def pieces(text: str, size: int = 3, language: str = "en") -> list[str]:
    speakable = Speakable(language)
    out: list[str] = []
    for at in range(0, len(text), size):
        out += speakable.push(text[at : at + size])
    return out + speakable.finish()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there. How are you today my friend?", ["Hello there.", "How are you today my friend?"]),
        ("<think>They ask. I plan.</think>Yes. It is so and so.", ["Yes.", "It is so and so."]),
        ("Well <thinking a=1>x</thinking> I know it.", ["Well I know it."]),
        ("plan</think> Yes.", ["plan Yes."]),
        ("Yes.\n<think>never closed. at all", ["Yes."]),
        ("Dr. Smith paid 3.5 dollars e.g. for tea. Then he left us.",
         ["Dr. Smith paid 3.5 dollars e.g. for tea.", "Then he left us."]),
        ("J. R. Tolkien wrote it. That was long ago.", ["J. R. Tolkien wrote it.", "That was long ago."]),
        ("Run this:\n```python\nprint('x. y')\n```\nIt prints a thing.", ["Run this:", "It prints a thing."]),
        ("**Bold** and *it* and `code` and snake_case.", ["Bold and it and code and snake_case."]),
        ("# Title\n- first thing\n- second thing\n1. third. thing",
         ["Title", "first thing", "second thing", "third. thing"]),
        ("Steps:\n1. Take a pan.\n2) Heat it well.\n\n1. Or do not.",
         ["Steps:", "Take a pan.", "Heat it well.", "Or do not."]),
        ("42. That is the answer.", ["42.", "That is the answer."]),
        ("You ask for six times seven. 42. That is the answer.",
         ["You ask for six times seven.", "42. That is the answer."]),
        ("You ask for six times seven.\n42. That is the answer.",
         ["You ask for six times seven.", "42. That is the answer."]),
        ("12*4 is 48, and 2 * 3 is *6*, as **we** know.",
         ["12 times 4 is 48, and 2 times 3 is 6,", "as we know."]),
        ("See [the docs. Here](https://x.org/a.b?c) now.", ["See the docs. Here now."]),
        ("Look at https://www.example.com/a/b?c=d. It is nice there.",
         ["Look at example.com.", "It is nice there."]),
        ("See [tea](https://x.org/a) or https://x.org/a, **now** a | b.", ["See tea or x.org,", "now a, b."]),
        ("Great \U0001f600\U0001f44d\U0001f3fd! Really \u2764\ufe0f nice.", ["Great!", "Really nice."]),
        ("\U0001f600", []),
        ("No! Yes. Maybe so, I would say.", ["No!", "Yes. Maybe so, I would say."]),
        ("2 < 3 and 5 > 4, right?", ["2 < 3 and 5 > 4, right?"]),
        ("To climb Mt. Everest is hard. It is cold.", ["To climb Mt. Everest is hard.", "It is cold."]),
        ("2**8 is 256. That is so.", ["2 to the power of 8 is 256.", "That is so."]),
        ("Read <https://www.example.org/guide>. Then ask.", ["Read example.org.", "Then ask."]),
        ("Tom &amp; Jerry<!-- both --> came.", ["Tom & Jerry came."]),
        ("\u092f\u0939 \u0939\u0948\u0964 \u0915\u094d\u0937\u200d\u092f",
         ["\u092f\u0939 \u0939\u0948\u0964", "\u0915\u094d\u0937\u200d\u092f"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_pieces(text: str, expected: list[str], size: int) -> None:
    assert pieces(text, size) == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("de", "Am 24. Dezember ist Heiligabend. Dann kommt z. B. Herr Dr. Braun.",
         ["Am 24. Dezember ist Heiligabend.", "Dann kommt z. B. Herr Dr. Braun."]),
        ("de", "Die Antwort ist 42. Frag mich noch etwas.", ["Die Antwort ist 42.", "Frag mich noch etwas."]),
        ("fr", "C'est M. Dupont, p. ex. Voil\u00e0 tout pour toi.",
         ["C'est M. Dupont, p. ex. Voil\u00e0 tout pour toi."]),
        ("es", "El Sr. Ruiz viene hoy. \u00bfY la Dra. Gil?",
         ["El Sr. Ruiz viene hoy.", "\u00bfY la Dra. Gil?"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_abbreviations_and_ordinals_do_not_end_a_sentence(
    language: str, text: str, expected: list[str], size: int
) -> None:
    assert pieces(text, size, language) == expected


def test_only_the_first_piece_may_end_at_a_comma() -> None:
    speakable = Speakable()
    assert speakable.push("When I was a young keeper here, ") == ["When I was a young keeper here,"]
    assert speakable.push("the sea was calm, and the lamp was ") == []
    assert speakable.push("bright. Now") == ["the sea was calm, and the lamp was bright."]


def test_an_endless_sentence_is_cut_between_words() -> None:
    made = pieces("word " * 200)
    assert max(map(len, made)) <= 240
    assert " ".join(made).split() == ["word"] * 200


tokens = st.lists(
    st.sampled_from(
        ["<think>", "</think>", "SECRET", "```", "CODE", "hello. ", "yes, ", "\n", "**", "<", "`", " "]
    ),
    max_size=30,
)


@given(tokens, st.integers(1, 9))
def test_the_result_does_not_depend_on_the_chunks(parts: list[str], size: int) -> None:
    text = "".join(parts)
    assert " ".join(pieces(text, size)).split() == " ".join(pieces(text, 10_000)).split()


@given(
    st.lists(st.sampled_from(["SECRET", "hello. ", "``", "</", "<b>", "."]), max_size=8), st.integers(1, 9)
)
def test_reasoning_is_never_spoken(parts: list[str], size: int) -> None:
    hidden = "".join(parts).replace("</", "< /")
    said = " ".join(pieces(f"Before. <think>{hidden}</think> After.", size))
    assert "SECRET" not in said
    assert said == "Before. After."


@given(st.text(max_size=200))
def test_clean_text_can_be_spoken_or_is_empty(text: str) -> None:
    said = clean(text)
    assert said == "" or any(c.isalnum() for c in said)
    assert "\n" not in said
    assert "**" not in said
