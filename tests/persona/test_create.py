from __future__ import annotations

from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.errors import VoicebotError
from voicebot.persona import Persona, adapted, create_persona
from voicebot.tts.base import VoiceStyle


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("Ada, a cheerful guide", "Ada"),
        ("a sailor named Old Tom", "Old Tom"),
        ("a robot called Zed who tells jokes", "Zed"),
        ("Marie Curie is a physicist", "Marie Curie"),
        ("Bob - a plumber", "Bob"),
    ],
)
def test_the_name_comes_from_the_description(description: str, name: str) -> None:
    assert create_persona(description).name == name


def test_without_a_name_one_is_chosen_that_is_not_taken() -> None:
    lobby: list[Persona] = []
    for _ in range(8):
        lobby.append(create_persona("a grumpy lighthouse keeper", taken=lobby))
    assert len({p.name for p in lobby}) == 8
    assert all(len({p.voice.seed % n for p in lobby[:n]}) == n for n in range(1, 9))


def test_a_taken_name_gets_a_number() -> None:
    first = create_persona("Ada, a guide")
    assert create_persona("Ada, a pilot", taken=[first]).name == "Ada 2"


def test_a_taken_name_gets_a_number_wherever_it_comes_from() -> None:
    first = create_persona("Ada, a guide")
    assert create_persona("a pilot", name="ada", taken=[first]).name == "ada 2"
    long = create_persona("a guide", name="x" * 40)
    assert create_persona("a pilot", name="x" * 40, taken=[long]).name == "x" * 38 + " 2"


def test_adding_a_persona_twice_changes_its_name_and_voice() -> None:
    ada = create_persona("Ada, a guide")
    assert adapted(ada, None, None) == ada
    second = adapted(ada, None, None, [ada])
    assert (second.name, second.voice.seed != ada.voice.seed) == ("Ada 2", True)
    assert second.greeting == ada.greeting.replace("Ada", "Ada 2")
    named = adapted(ada, "Bob", "slt", [ada])
    assert (named.name, named.voice.voice, named.voice.seed) == ("Bob", "slt", ada.voice.seed)


def test_a_renamed_persona_introduces_itself_by_its_new_name() -> None:
    ada = Persona(name="Ada", character="a guide", greeting="Ada here. I adapt, says Ada's mother.")
    assert adapted(ada, " Bob ", None).greeting == "Bob here. I adapt, says Bob's mother."
    with pytest.raises(VoicebotError, match="1 to 40"):
        adapted(ada, "x" * 41, None)


def test_a_persona_is_deterministic_and_survives_json() -> None:
    a, b = create_persona("an old wizard"), create_persona("an  old wizard ")
    assert a == b
    again = Persona.model_validate(a.as_dict())
    assert again == a
    assert again.hash == a.hash
    assert a.hash != create_persona("a young witch").hash


def test_a_given_name_and_voice_take_precedence() -> None:
    p = create_persona("Ada, a guide", name="Eve", voice="slt")
    assert (p.name, p.voice.voice) == ("Eve", "slt")
    style = VoiceStyle(rate=1.5, seed=7)
    assert create_persona("a guide", voice=style).voice == style


def test_moods_change_the_voice() -> None:
    assert create_persona("a grumpy keeper").voice.pitch < create_persona("a cheerful child").voice.pitch


@pytest.mark.parametrize("bad", ["", "   ", "x" * 2001])
def test_bad_descriptions_say_what_to_do(bad: str) -> None:
    with pytest.raises(VoicebotError) as error:
        create_persona(bad)
    assert error.value.hint


def test_a_bad_name_is_refused() -> None:
    with pytest.raises(VoicebotError, match="1 to 40"):
        create_persona("a guide", name=" ")


@given(st.text(min_size=1, max_size=200).filter(lambda s: s.strip()))
def test_any_description_makes_a_complete_persona(description: str) -> None:
    p = create_persona(description)
    assert p.name
    assert p.name in p.greeting
    kind, _, image = p.portrait.partition(",")
    assert kind == "data:image/svg+xml"
    root = ElementTree.fromstring(unquote(image))
    assert root.tag.endswith("svg")
    assert not [e for e in root.iter() if e.tag.endswith(("script", "image", "foreignObject"))]
