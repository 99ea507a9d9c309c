from __future__ import annotations

import re
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from voicebot.persona import create_persona
from voicebot.persona.create import NAMES
from voicebot.persona.gender import FEMININE, MASCULINE, gender_of
from voicebot.persona.portrait import draw

BEARD = re.compile(r'<path d="M[\d.]+ 92q4 42 ')
LONG_HAIR = re.compile(r'<path d="M[\d.]+ 132Q')


def portrait(description: str, name: str) -> str:
    return unquote(create_persona(description, name=name).portrait)


@pytest.mark.parametrize("name", ["Mira", "Ada", "Rosa Luz"])
def test_a_woman_who_keeps_a_lighthouse_has_no_beard(name: str) -> None:
    svg = portrait("a grumpy lighthouse keeper", name)
    assert not BEARD.search(svg)
    assert LONG_HAIR.search(svg)


def test_a_man_who_keeps_a_lighthouse_has_a_beard() -> None:
    svg = portrait("a grumpy lighthouse keeper", "Hugo")
    assert BEARD.search(svg)
    assert not LONG_HAIR.search(svg)


def test_an_unknown_name_stays_neutral_unless_the_description_tells() -> None:
    assert not BEARD.search(portrait("a lighthouse keeper", "Qwxyz"))
    assert BEARD.search(portrait("a lighthouse keeper with a white beard", "Qwxyz"))
    assert BEARD.search(portrait("a lighthouse keeper who loves his boat", "Qwxyz"))


def test_the_description_wins_over_the_name() -> None:
    assert gender_of("Victor", "a captain, mother of three") == "feminine"
    assert gender_of("Mira", "a king and his queen") == "feminine"
    assert gender_of("", "") is None


def test_all_default_names_have_a_gender_and_no_name_has_two() -> None:
    assert [name for name in NAMES if gender_of(name) is None] == ["Quinn"]
    assert not FEMININE & MASCULINE


@pytest.mark.parametrize("gender", ["feminine", "masculine", None])
def test_every_portrait_is_well_formed(gender: str | None) -> None:
    for seed in range(40):
        ElementTree.fromstring(draw(str(seed), "a captain with glasses", gender))  # type: ignore[arg-type]
