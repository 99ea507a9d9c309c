from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.llm import arithmetic
from voicebot.llm.lines import ChatLine, RoomContext
from voicebot.llm.small_talk import reply
from voicebot.llm.topics import is_question, mirror, topic_of

SYSTEM = "You are Ada: a grumpy lighthouse keeper\nSpeak briefly."
NOW = datetime(2026, 11, 22, 15, 7)


def say(text: str, *before: ChatLine) -> str:
    return reply(SYSTEM, [*before, ChatLine("Anna", text)], NOW)


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
def test_it_answers_what_it_can(text: str, expected: str) -> None:
    assert expected in say(text)


def test_it_remembers_what_this_person_said() -> None:
    before = (ChatLine("Anna", "My boat is blue."), ChatLine("Tom", "Mine is red."), ChatLine("", "I see."))
    assert say("what did I say", *before) == "You said: My boat is blue."
    assert "not said anything" in say("what did i say", ChatLine("Tom", "Mine is red."))


def test_it_repeats_the_latest_words_when_asked_again() -> None:
    question = ChatLine("Anna", "what did I say")
    before = (ChatLine("Anna", "My boat is blue."), question, ChatLine("", "You said: My boat is blue."))
    assert say("what did I say", *before, ChatLine("Anna", "It is old.")) == "You said: It is old."


def test_a_sum_with_a_huge_result_is_answered() -> None:
    assert "more than I can say" in say(f"what is 1{'0' * 400} divided by 3")


def test_it_answers_the_people_that_the_room_context_names() -> None:
    lines = [ChatLine("Anna", "what is two plus two"), ChatLine("Tom", "hang on, Anna")]
    assert "4" in reply(SYSTEM, lines, NOW, RoomContext(answer=("Anna",)))


@pytest.mark.parametrize(
    "text", ["a" * 200 + " b c d e f g h i", "i " * 2000, "i not " * 700, "what is the " * 300, "no. " * 1000]
)
def test_no_line_is_slow_to_answer(text: str) -> None:
    """Its patterns never try a line in more ways than it has characters."""
    assert say(text)


def test_it_does_not_repeat_itself_at_once() -> None:
    first = say("i love sailing")
    assert say("i love sailing", ChatLine("Anna", "i love sailing"), ChatLine("", first)) != first


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("what is the weather in paris", "the weather in Paris"),
        ("tell me about the moon", "the moon"),
        ("how far is the sun", "the sun"),
        ("can you tell me about whales please", "whales"),
        ("who was napoleon", "napoleon"),
        ("i like tea", None),
        ("why is the sky blue", None),
        ("which boat is better", None),
        ("how do i cook fish", None),
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


PERSONAS = (
    "a grumpy lighthouse keeper",
    "a cheerful pirate cook",
    "Ada, a friendly and curious guide who loves a good conversation",
    "a retired chess grandmaster",
)
SAYINGS = """hello|hi there how are you|good morning|what do you do|what can you do|who was napoleon|
tell me a joke|sing me a song|can you help me|do you like music|what is your favourite food|
where are you from|how old are you|i love sailing|i am sad today|my dog died|it is raining|
i had a great day|i think you are wrong|you are stupid|yes|no|okay|maybe|i don't know|why|what|
thanks|that is funny|stop|can you hear me|is it going to rain tomorrow|what do you think about love|
should i learn chess|how do i cook fish|let's talk about ships|and you|sorry|
the cat sat on the mat and then it went away and nobody knew where|i love you|what should i do|
you know|i was ill|could you open the door|tell me about yourself|goodbye""".replace("\n", "").split("|")
BROKEN = re.compile(r"\b(I are|you am|I is|you is|About you|So (do|can|should|is|are))\b|[{}\0]")


@pytest.mark.parametrize("character", PERSONAS)
def test_every_answer_is_short_well_formed_and_honest(character: str) -> None:
    system = f"You are Ada: {character}\n"
    for turn in (0, 1):
        before = [ChatLine("Anna", "hello"), ChatLine("", "Hello Anna.")] * turn
        for said in SAYINGS:
            answer = reply(system, [*before, ChatLine("Anna", said)], NOW)
            assert len(answer.split()) <= 35, answer
            assert not BROKEN.search(answer), (said, answer)
            assert "how nice" not in answer
            if is_question(said) and "offline" not in answer:
                assert re.search(r"program|sums|hear you|I said|yet|^Hmph. None|[Ww]ell", answer), (
                    said,
                    answer,
                )


def test_grief_is_not_answered_cheerfully() -> None:
    for character in PERSONAS:
        answer = reply(f"You are Ada: {character}\n", [ChatLine("Anna", "my dog died today")], NOW)
        assert "Do you want to talk about it?" in answer
        assert not re.search(r"splendid|aha|arr|hmph", answer, re.I)


def test_it_remembers_a_name() -> None:
    told = (ChatLine("Anna", "my name is peter"), ChatLine("", "Nice to meet you, Peter."))
    assert say("what is my name", *told) == "You are Peter."
    assert "Peter" in say("hello", *told)


def test_it_can_repeat_itself() -> None:
    assert (
        say("repeat that please", ChatLine("Anna", "hello"), ChatLine("", "Hello Anna."))
        == "I said: Hello Anna."
    )
    assert "not said anything" in say("what")


def test_it_answers_people_and_agents_only_when_they_ask_by_name() -> None:
    room = RoomContext(people=("Anna",), agents=("Bruno", "Clara"))
    asked = ChatLine("Anna", "what is two plus two")
    greeting = ChatLine("Bruno", "Hello, I am Bruno. What would you like to talk about?")
    assert reply(SYSTEM, [asked, greeting], NOW, room) == "That makes 4."
    called = ChatLine("Clara", "I have no idea. What is one plus two, Ada?")
    assert "Clara" in reply(SYSTEM, [asked, called], NOW, room)


@given(st.text(max_size=100), st.text(max_size=100))
def test_it_always_has_something_to_say(system: str, text: str) -> None:
    assert reply(system, [ChatLine("Anna", text or "x")], NOW).strip()
