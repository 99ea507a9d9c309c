from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.persona.create import NAMES
from voicebot.turn import Present, Scene, addressees, called_by_name

ADA = Present("a", "Ada", True, "a curious guide")
BRUNO = Present("b", "Bruno", True, "a grumpy lighthouse keeper")
MIRA = Present("m", "Mira", True, "a doctor who knows medicine")
ANNA = Present("h1", "Anna", False)
TOM = Present("h2", "Tom", False)
ALL = (ADA, BRUNO, MIRA, ANNA, TOM)


def ids(text: str, **changes: object) -> tuple[str, ...]:
    return addressees(text, Scene("h1", ALL, **changes)).ids  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada, what do you think?", ("a",)),
        ("what do you think Bruno", ("b",)),
        ("hey aida what time is it", ("a",)),
        ("brunno how is the sea", ("b",)),
        ("meera can you help me", ("m",)),
        ("bru no are you there", ("b",)),
        ("Bruno and Ada, say hello", ("b", "a")),
    ],
)
def test_by_name_also_as_a_recogniser_spells_it(text: str, expected: tuple[str, ...]) -> None:
    assert ids(text) == expected


CAST = tuple(Present(name, name, True) for name in NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "I had no idea that it was this late",
        "we live in a small house near the sea",
        "do you want a cup of tea",
        "I wanna go and edit the file",
        "my cousin is Irish and the king is not",
        "the add a friend button is grey",
        "what a victory for York",
        "is there any dairy in this",
        "the seals are here and the lion roars",
        "could you clear the great table",
        "a huge mirror and the rose in it",
        "just pour me the olives Kenya sends",
    ],
)
def test_everyday_words_call_nobody(text: str) -> None:
    for agent in CAST:
        others = [other for other in CAST if other is not agent][:1]
        decision = addressees(text, Scene("h1", (agent, *others, ANNA)))
        assert "by name" not in decision.reason, decision
    assert not called_by_name(text, CAST)


@pytest.mark.parametrize(
    ("name", "text", "called"),
    [
        ("Alexander", "alexandar what time is it", True),
        ("Alexander", "I told Alexander what time it is", False),
        ("Old Tom", "oldtom are you there", True),
        ("Ada 2", "Ada are you there", False),
    ],
)
def test_long_names_and_those_of_several_words(name: str, text: str, called: bool) -> None:
    assert called_by_name(text, [Present("x", name, True)]) is called


def test_a_single_agent_is_always_meant() -> None:
    decision = addressees("tom did you see that", Scene("h1", (ADA, ANNA, TOM)))
    assert (decision.ids, decision.reason) == (("a",), "the only agent")


def test_people_among_themselves_are_left_alone() -> None:
    assert ids("Tom, did you bring the keys?") == ()


def test_the_running_dialogue_goes_on_for_a_while() -> None:
    assert ids("and why is that", partner_id="b", partner_s=5.0) == ("b",)
    assert addressees("and why is that", Scene("h1", ALL, "b", 500.0)).confidence < 0.6


def test_a_question_to_all_goes_to_the_one_silent_longest() -> None:
    assert ids("what does everyone think?", last_spoke=("a", "m", "b")) == ("a",)


def test_by_role() -> None:
    assert ids("I want to ask a question about medicine") == ("m",)


def test_agents_answer_agents_only_when_asked_by_name() -> None:
    assert addressees("The sea is grey. What do you say, Bruno?", Scene("a", ALL)).ids == ("b",)
    assert addressees("Bruno is right. What about you, Anna?", Scene("a", ALL)).ids == ()
    assert addressees("I agree with Bruno.", Scene("a", ALL)).ids == ()
    assert addressees("Is this not brunoesque?", Scene("a", ALL)).ids == ()


def test_no_agents_no_addressee() -> None:
    assert addressees("hello", Scene("h1", (ANNA, TOM))).ids == ()


@given(st.text(max_size=80), st.sampled_from(["h1", "h2", "a", "gone"]))
def test_whatever_is_said_only_agents_other_than_the_speaker_are_named(text: str, speaker: str) -> None:
    decision = addressees(text, Scene(speaker, ALL))
    assert set(decision.ids) <= {"a", "b", "m"} - {speaker}
    assert 0 <= decision.confidence <= 1
    assert decision.reason
