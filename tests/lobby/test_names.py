from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.errors import SignalingError
from voicebot.lobby.names import MAX_GRAPHEMES, clean_name, graphemes


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
    ],
)
def test_names_are_made_fit_to_show(raw: str, clean: str) -> None:
    assert clean_name(raw) == clean


@pytest.mark.parametrize("raw", ["", "  ", "\u200b\u202e", "\u200d", "\x07", "\u0301"])
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
