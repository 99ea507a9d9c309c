from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.errors import SignalingError
from voicebot.lobby.lookalikes import LOOKALIKES, shapes, skeleton
from voicebot.lobby.names import MAX_GRAPHEMES, clean_name, distinct_name, graphemes


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  Ada \t\n Lovelace ", "Ada Lovelace"),
        ("e\u0301va", "\u00e9va"),
        ("a\u202eb\u2066c\u200fd\u200b", "abcd"),
        ("x\x00\x1b[31m", "x[31m"),
        ("👩🏽\u200d🔬", "👩🏽\u200d🔬"),
        ("\ud800ok", "ok"),
        ("<b>ada</b>", "<b>ada</b>"),
        ("A" + "\u0323" * 100, "\u1ea0" + "\u0323" * 4),
        ("A\u200dda", "Ada"),
        ("A\u3164da\u2800", "Ada"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
    ],
)
def test_names_are_cleaned(raw: str, clean: str) -> None:
    assert clean_name(raw) == clean


@pytest.mark.parametrize(
    "raw", ["", "  ", "\u3164", "\u2800", "\u115f\u1160", "\u200b\u202e", "\u200d", "\x07", "\u0301"]
)
def test_a_name_without_anything_visible_is_refused(raw: str) -> None:
    with pytest.raises(SignalingError) as caught:
        clean_name(raw)
    assert caught.value.code == "bad_name"


def test_long_names_are_cut_between_graphemes() -> None:
    assert clean_name("🇩🇪" * 50) == "🇩🇪" * MAX_GRAPHEMES
    assert clean_name("👩🏽\u200d🔬" * 41) == "👩🏽\u200d🔬" * MAX_GRAPHEMES
    assert len(graphemes("g\u0308👩🏽\u200d🔬🇩🇪a")) == 4


@given(st.text(min_size=1))
def test_a_clean_name_is_stable_and_harmless(raw: str) -> None:
    try:
        name = clean_name(raw)
    except SignalingError:
        return
    assert clean_name(name) == name
    assert 1 <= len(graphemes(name)) <= MAX_GRAPHEMES
    assert unicodedata.is_normalized("NFC", name)
    assert not any(unicodedata.bidirectional(c) in {"LRE", "RLE", "LRO", "RLO", "PDF"} for c in name)


@pytest.mark.parametrize(
    "other",
    [
        "ALICE",
        "Al1ce",
        "AIice",
        "\u0410lice",  # Cyrillic
        "Alic\u0435",
        "A l i c e",
        "\uff21lice",  # full width
        "\U0001d400lice",  # mathematical
        "Alice\ufe0f",
        "Alic\u00e9",
        "\u13aaLIC\u13ac",  # Cherokee
        "\ua4eelice",  # Lisu
        "A\u029f\u026a\u1d04\u1d07",  # small capitals
        "\u023alice",  # with a stroke
        "\U0001f170\U0001f17b\U0001f178\U0001f172\U0001f174",  # in boxes
    ],
)
def test_a_name_that_looks_like_another_gets_a_number(other: str) -> None:
    assert skeleton(other) == skeleton("Alice")
    assert distinct_name(clean_name(other), ["Alice"]) == f"{clean_name(other)} 2"


def test_capitals_are_compared_by_their_appearance() -> None:
    """A Greek capital is drawn like another Latin letter than its small one is."""
    assert distinct_name("\u03a4\u039f\u039d\u03a5", ["TONY"]) == "\u03a4\u039f\u039d\u03a5 2"
    assert (
        distinct_name("\u0391\u03bd\u03bd\u03b1", ["\u0391\u039d\u039d\u0391"])
        == "\u0391\u03bd\u03bd\u03b1 2"
    )


def test_every_lookalike_maps_to_one_latin_letter() -> None:
    assert "".join(map(chr, LOOKALIKES)).isalpha()
    assert {chr(latin) for latin in LOOKALIKES.values()} <= set("abcdefghijklmnopqrstuvwxyz")
    assert not any(chr(letter).isascii() for letter in LOOKALIKES)


def test_distinct_names_stay_unchanged() -> None:
    taken = ["Ada", "Bob", "\u5c0f\u660e", "\u041e\u043b\u044f", "\U0001f600"]
    for name in ("Adam", "Rob", "\u5c0f\u7ea2", "\u041a\u043e\u043b\u044f", "\U0001f601", "Ada Lovelace"):
        assert distinct_name(name, taken) == name
    assert distinct_name("Ada", ["Ada", "Ada 2"]) == "Ada 3"


def test_a_numbered_name_keeps_within_the_length() -> None:
    name = "x" * MAX_GRAPHEMES
    assert distinct_name(name, [name]) == "x" * (MAX_GRAPHEMES - 2) + " 2"


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_numbered_name_is_clean_and_looks_different(raw: str, other: str) -> None:
    try:
        name, taken = clean_name(raw), clean_name(other)
    except SignalingError:
        return
    found = distinct_name(name, [taken])
    assert not shapes(found) & shapes(taken)
    assert clean_name(found) == found
