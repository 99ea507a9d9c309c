from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.llm import arithmetic
from voicebot.llm.lines import Line
from voicebot.llm.small_talk import mirror, reply, topic_of

SYSTEM = "You are Ada: a grumpy lighthouse keeper\nSpeak briefly."
NOW = datetime(2026, 11, 22, 15, 7)


def say(text: str, *before: Line) -> str:
    return reply(SYSTEM, [*before, Line("Anna", text)], NOW)


def test_it_admits_what_it_cannot_know_and_names_the_topic() -> None:
    answer = say("what is the weather in paris")
    assert "the weather in Paris" in answer
    assert "offline brain" in answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What time is it?", "3:07 pm"),
        ("what is the date", "November 22, 2026"),
        ("what day is it today", "Sunday"),
        ("what is seven times eight", "56"),
        ("Ada, what's 12 plus 5?", "17"),
        ("who are you", "I am Ada, a grumpy lighthouse keeper"),
        ("what is my name", "Anna"),
        ("hello", "Hello Anna"),
        ("are you a robot", "program"),
        ("i love sailing", "you love sailing, Anna"),
        ("thank you ada", "welcome"),
        ("goodbye ada", "Goodbye, Anna"),
    ],
)
def test_what_it_can_answer_it_answers(text: str, expected: str) -> None:
    assert expected in say(text)


def test_it_remembers_what_this_person_said() -> None:
    before = (Line("Anna", "My boat is blue."), Line("Tom", "Mine is red."), Line("", "I see."))
    assert say("what did I say", *before) == "You said: My boat is blue."
    assert "not said anything" in say("what did i say", Line("Tom", "Mine is red."))


def test_it_does_not_repeat_itself_at_once() -> None:
    first = say("i love sailing")
    assert say("i love sailing", Line("Anna", "i love sailing"), Line("", first)) != first


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("what is the weather in paris", "the weather in Paris"),
        ("tell me about the moon", "the moon"),
        ("how far is the sun", "the sun"),
        ("can you tell me about whales please", "whales"),
        ("who was napoleon", "napoleon"),
        ("i like tea", None),
    ],
)
def test_topics(text: str, topic: str | None) -> None:
    assert topic_of(text) == topic


def test_mirror() -> None:
    assert mirror("i think you like my boat") == "you think I like your boat"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("what is two plus three times four", "14"),
        ("two hundred and five minus twenty one", "184"),
        ("10 / 4", "2.5"),
        ("ten divided by three", "about 3.333"),
        ("three minus five", "minus 2"),
        ("one divided by zero", "nothing sensible, since nobody can divide by zero"),
        ("what is love", None),
        ("twenty one", None),
        ("what is the weather", None),
        ("i have two cats and three dogs", None),
    ],
)
def test_arithmetic(text: str, result: str | None) -> None:
    assert arithmetic.answer(text) == result


def test_it_answers_people_and_agents_only_when_they_ask_by_name() -> None:
    company = f"{SYSTEM} Other agents in the room: Bruno, Clara.\n"
    asked = Line("Anna", "what is two plus two")
    greeting = Line("Bruno", "Hello, I am Bruno. What would you like to talk about?")
    assert reply(company, [asked, greeting], NOW) == "That makes 4."
    called = Line("Clara", "I have no idea. What is one plus two, Ada?")
    assert "Clara" in reply(company, [asked, called], NOW)


@given(st.text(max_size=100), st.text(max_size=100))
def test_it_always_has_something_to_say(system: str, text: str) -> None:
    assert reply(system, [Line("Anna", text or "x")], NOW).strip()
