from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.persona.create import NAMES
from voicebot.turn.addressing.addressees import addressees, called_by_name
from voicebot.turn.addressing.context import DialogueContext, Participant, PriorTurn
from voicebot.turn.addressing.roles import role_noun
from voicebot.turn.words import is_question

ADA = Participant("a", "Ada", True, "a curious guide")
BRUNO = Participant("b", "Bruno", True, "a grumpy lighthouse keeper")
MIRA = Participant("m", "Mira", True, "a doctor who knows medicine")
ANNA = Participant("h1", "Anna", False)
TOM = Participant("h2", "Tom", False)
ALL = (ADA, BRUNO, MIRA, ANNA, TOM)


def ids(text: str, **changes: object) -> tuple[str, ...]:
    return addressees(text, DialogueContext("h1", ALL, **changes)).ids  # type: ignore[arg-type]


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
def test_names_are_found_as_a_recogniser_spells_them(text: str, expected: tuple[str, ...]) -> None:
    assert ids(text) == expected


CAST = tuple(Participant(name, name, True) for name in NAMES)


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
        decision = addressees(text, DialogueContext("h1", (agent, *others, ANNA)))
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
def test_long_names_and_names_of_several_words(name: str, text: str, called: bool) -> None:
    assert called_by_name(text, [Participant("x", name, True)]) is called


def test_a_person_alone_with_one_agent_always_addresses_it() -> None:
    decision = addressees("tom did you see that", DialogueContext("h1", (ADA, ANNA)))
    assert (decision.ids, decision.reason) == (("a",), "the only agent")


def test_a_single_agent_does_not_join_people_who_talk_to_each_other() -> None:
    def decide(speaker: str, text: str, *history: PriorTurn) -> tuple[tuple[str, ...], tuple[str, ...]]:
        decision = addressees(text, DialogueContext(speaker, (ADA, ANNA, TOM), history=history))
        return decision.ids, decision.people

    assert decide("h1", "tom did you see that") == ((), ("h2",))
    asked = PriorTurn("h1", ("h2",), 3.0, question=True)
    assert decide("h2", "yes it was huge", asked) == ((), ("h1",))
    assert decide("h2", "Ada, did you see it?", asked) == (("a",), ())
    assert decide("h2", "what is the time", replace(asked, ago_s=60.0)) == (("a",), ())


def test_several_agents_may_add_to_one_answer() -> None:
    everyone = addressees("what does everyone think?", DialogueContext("h1", ALL, last_spoke=("a", "m", "b")))
    assert (everyone.ids, everyone.may_add) == (("a",), ("m", "b"))
    first = addressees("Mira, what do you think? And the others?", DialogueContext("h1", ALL))
    assert (first.ids, first.may_add) == (("m",), ("a", "b"))
    assert addressees("Mira, what do you think?", DialogueContext("h1", ALL)).may_add == ()


def test_an_agent_called_together_with_a_person_answers() -> None:
    either = addressees("Tom, Ada or Bruno, what is the time?", DialogueContext("h1", ALL))
    assert (either.ids, either.may_add, either.people) == (("a",), ("b",), ("h2",))
    assert ids("can Tom or Ada tell me the time?") == ("a",)
    twice = addressees("Ada, tell me. Ada or Bruno or Mira or Bruno?", DialogueContext("h1", ALL))
    assert (twice.ids, twice.may_add) == (("a",), ("b", "m"))


@pytest.mark.parametrize(
    ("text", "called"),
    [("will you come with us", False), ("Will, you come with us", True), ("hey will what is that", True)],
)
def test_a_name_that_is_also_a_word_is_called_only_in_context(text: str, called: bool) -> None:
    assert called_by_name(text, [Participant("w", "Will", True)]) is called


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Where is it?", True),
        ("ada where is it", True),
        ("so do you like the sea", True),
        ("It is grey. Is it not", True),
        ("tell me where it is", False),
        ("I know where it is.", False),
        ("", False),
    ],
)
def test_questions(text: str, question: bool) -> None:
    assert is_question(text) is question


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ("Zo\u00eb", "zoe"),
        ("\u0141ukasz", "lukas"),
        ("J\u00fcrgen", "jurgen"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("D\u2019Arcy", "D'Arcy"),  # the first as a telephone's keyboard writes it
        ("D'Arcy", "D\u2019Arcy"),
    ],
)
def test_diacritics_and_kinds_of_apostrophe_do_not_matter(name: str, spoken: str) -> None:
    assert called_by_name(f"{spoken}, are you there?", [Participant("x", name, True)])


@pytest.mark.parametrize(
    ("role", "is_a"),
    [
        ("a grumpy lighthouse keeper", "keeper"),
        ("Otto, a retired sea captain from Bergen", "captain"),
        ("You are a young lawyer, sharp and brief.", "lawyer"),
        ("a doctor who knows medicine", "doctor"),
        ("Ada, a guide", "guide"),
        ("likes trains", ""),
        ("", ""),
    ],
)
def test_the_role_is_found_in_a_description(role: str, is_a: str) -> None:
    assert role_noun(role) == is_a


@pytest.mark.parametrize(
    ("name", "text"), [("You", "and what about you"), ("An", "an apple a day"), ("So", "so")]
)
def test_people_may_have_names_that_are_words(name: str, text: str) -> None:
    """And whoever is does not keep the others from talking with the agents."""
    present = (ADA, BRUNO, ANNA, Participant("h2", name, False))
    assert addressees(text, DialogueContext("h1", present, "b", 5.0)).ids == ("b",)


@pytest.mark.parametrize("text", ["what about Tom", "What does Tom think?", "let Tom try"])
def test_words_that_invite_an_agent_only_mention_a_person(text: str) -> None:
    assert ids(text, partner_id="b", partner_s=5.0) == ("b",)
    assert ids(text.replace("Tom", "Ada"), partner_id="b", partner_s=5.0) == ("a",)


@pytest.mark.parametrize(
    ("name", "spoken"),
    [("Anne-Marie", "anne marie"), ("Grace Hopper", "grace"), ("Dr. Grace Hopper", "doctor grace")],
)
def test_names_of_several_parts(name: str, spoken: str) -> None:
    assert called_by_name(f"{spoken} what do you think", [Participant("x", name, True)])


@pytest.mark.parametrize(
    "text", ["", ",", "?", "...", "aida,", "hey aida,", "what do you think, aida,", "1", "\u00bf", "-"]
)
def test_names_at_the_end_of_a_sentence(text: str) -> None:
    assert ids(text, partner_id="b", partner_s=5.0) == (("a",) if "aida" in text else ("b",))


def test_a_long_monologue_addresses_the_name_at_its_beginning_or_end() -> None:
    story = "and then we went on to the next town " * 200
    assert ids(f"Bruno, listen. {story}") == ("b",)
    assert ids(f"{story} and what do you think bruno") == ("b",)


def test_side_talk_between_people_addresses_no_agent() -> None:
    assert ids("Tom, did you bring the keys?") == ()


def test_a_dialogue_continues_for_a_while() -> None:
    assert ids("and why is that", partner_id="b", partner_s=5.0) == ("b",)
    assert addressees("and why is that", DialogueContext("h1", ALL, "b", 500.0)).confidence < 0.6


def test_a_question_to_everybody_goes_to_the_agent_silent_longest() -> None:
    assert ids("what does everyone think?", last_spoke=("a", "m", "b")) == ("a",)


def test_agents_are_addressed_by_role() -> None:
    assert ids("I want to ask a question about medicine") == ("m",)
    assert ids("it is a medical matter") == ("m",)


def test_agents_answer_agents_only_when_asked_by_name() -> None:
    assert addressees("The sea is grey. What do you say, Bruno?", DialogueContext("a", ALL)).ids == ("b",)
    assert addressees("Bruno is right. What about you, Anna?", DialogueContext("a", ALL)).ids == ()
    assert addressees("I agree with Bruno.", DialogueContext("a", ALL)).ids == ()
    assert addressees("Is this not brunoesque?", DialogueContext("a", ALL)).ids == ()


def test_without_agents_there_is_no_addressee() -> None:
    assert addressees("hello", DialogueContext("h1", (ANNA, TOM))).ids == ()


WORDS = st.sampled_from(
    [
        "Ada",
        "bruno",
        "mira",
        "anna",
        "Tom",
        "hey",
        "and",
        "or",
        ",",
        ".",
        "?",
        "what do you think",
        "is",
        "she",
        "everyone",
        "the others",
        "doctor",
        "tell me",
        "you",
        "not",
    ]
)


@given(
    st.text(max_size=80) | st.lists(WORDS, max_size=12).map(" ".join),
    st.sampled_from(["h1", "h2", "a", "gone"]),
    st.lists(
        st.builds(
            PriorTurn, st.sampled_from(["h1", "h2", "a", "gone"]), st.sampled_from([(), ("h1",), ("h2", "b")])
        )
    ),
    st.booleans(),
)
def test_addressees_are_always_others_who_are_present(
    text: str, speaker: str, history: list[PriorTurn], muted: bool
) -> None:
    present = [replace(p, muted=p.is_agent and muted) for p in ALL]
    decision = addressees(text, DialogueContext(speaker, present, history=history))
    agents = {"a", "b", "m"} - {speaker}
    assert set(decision.ids) <= agents
    assert set(decision.may_add) <= agents - set(decision.ids)
    assert len({*decision.ids, *decision.may_add}) == len(decision.ids) + len(decision.may_add)
    assert set(decision.people) <= {"h1", "h2"} - {speaker}
    assert 0 <= decision.confidence <= 1
    assert decision.reason
