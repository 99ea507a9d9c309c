"""Text of others that is slow to read: every regular expression, and every function that reads such text."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache, partial
from itertools import product

import pytest

from tests.security.input.patterns import GENERIC, PACKAGE, SUFFIXES, Found, in_functions, of_modules, pumps
from voicebot.agent.speaking.sentences import Speakable, without_reasoning
from voicebot.agent.thinking.data import as_data, label
from voicebot.agent.thinking.guard import Guard
from voicebot.agent.thinking.instructions import RULES
from voicebot.conversation.frames.rows import rows_of
from voicebot.conversation.manifest import Manifest, ParticipantRecord
from voicebot.errors import VoicebotError
from voicebot.events import (
    ConsentGiven,
    Event,
    ParticipantJoined,
    ParticipantLeft,
    PersonaCreated,
    PlayoutSentence,
    SpeechStopped,
    UserChat,
)
from voicebot.llm.arithmetic import answer
from voicebot.llm.extract import extract
from voicebot.llm.lines import ChatLine as Row
from voicebot.llm.lines import read_history
from voicebot.llm.small_talk import reply
from voicebot.lobby.names import clean_name, distinct_name, graphemes
from voicebot.persona import create_persona
from voicebot.turn.addressing.addressees import addressees
from voicebot.turn.addressing.context import DialogueContext, Participant
from voicebot.turn.echo import PlayedSentence, detect_echo
from voicebot.turn.endpointing.text import read_ending
from voicebot.turn.interruption import classify_overlap
from voicebot.turn.words import is_question

LENGTH = 2048
SIZES = (20, 128, 512, LENGTH)
"""Growing, so that even a cubic or an exponential pattern is found out soon."""
REFERENCE = re.compile(r"[^\0]*\0")
"""Quadratic, and quick: it reads to the end from every place."""
PARTS = 8
REPEATS = 9
ALLOWED = 2.0
"""Times the reference: for one pattern, 5 ms on a machine of 2024."""
MADE = {
    "voicebot/redaction.py '|'.join(map(_matching, forms))": None,  # of nothing but what is escaped
    "voicebot/llm/phrases.py pattern": None,  # each of them is compiled while the package is imported
    "voicebot/llm/small_talk.py f'\\\\b{re.escape(name)}\\\\W*\\\\?'": r"\bada\W*\?",
    "voicebot/llm/small_talk.py f'^(?:hey |hello |okay |so )?{own}\\\\b ?|\\\\b ?{own}$'": (
        r"^(?:hey |hello |okay |so )?ada\b ?|\b ?ada$"
    ),
    "voicebot/persona/create.py own": r"(?<!\w)Ada(?!\w)",
}
"""Patterns that are made of something while the program runs, by their place: an example of each."""
PRESENT = (
    Participant("a", "Ada Lovelace", True, "a grumpy lighthouse keeper"),
    Participant("b", "Bruno", True, "a cook"),
    Participant("c", "Anna", False),
)


def taken(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def fastest(work: Callable[[], object], repeats: int = REPEATS) -> float:
    return min(taken(work) for _ in range(repeats))


def is_slow(work: Callable[[], object], times: float) -> bool:
    """Whether it takes so many times as long as a quadratic pattern of the simplest kind.

    Measured again beside it before it is said: what else the machine does makes both of them slow.
    """
    if taken(work) < quick() * times:
        return False
    return all(
        taken(work) > times * fastest(lambda: REFERENCE.search("a" * LENGTH), 3) for _ in range(REPEATS)
    )


@cache
def quick() -> float:
    return fastest(lambda: REFERENCE.search("a" * LENGTH))


def patterns() -> list[Found]:
    found, made = in_functions()
    assert set(made) == set(MADE), "give an example of what a new pattern is made of to MADE"
    examples = [Found(where, pattern, 0) for where, pattern in MADE.items() if pattern is not None]
    return list(dict.fromkeys([*of_modules(), *found, *examples]))


def test_every_pattern_is_found() -> None:
    """Those in tuples and dictionaries, those in functions, and one in each module that has any."""
    found = patterns()
    assert len(found) > 100
    where = {one.where.split(":")[0].removesuffix(".py").replace("/", ".") for one in found}
    with_some = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bre\.(compile|search|match|fullmatch|split|findall|finditer|sub)\(", path.read_text())
    }
    assert with_some <= {place.split(" ")[0] for place in where}


def test_what_makes_a_pattern_slow_is_known() -> None:
    """The strings find out a cubic, an exponential and a quadratic pattern."""
    for pattern in (r"(\S+@\S*?|www\.\S*?)[.,;!?]*$", r"(?:a+)+b", r"!\[([^\]]*)\]\([^)]*\)"):
        assert worst(Found("here", pattern, 0)) is not None


@pytest.mark.parametrize("part", range(PARTS))
def test_no_pattern_is_slow(part: int) -> None:
    """In parts, which are found when the test runs: finding them imports the whole package."""
    slow = {str(found): worst(found) for found in patterns()[part::PARTS]}
    assert {where: string for where, string in slow.items() if string is not None} == {}


def worst(found: Found) -> tuple[str, int] | None:
    """A string that takes too long, and its length."""
    pattern = found.compiled

    def search(text: str) -> object:
        return pattern.match(text) if found.anchored else deque(pattern.finditer(text), maxlen=0)

    for (prefix, pump), suffix, size in product(pumps(pattern), SUFFIXES, SIZES):
        text = prefix + pump * max(1, size // len(pump)) + suffix
        if is_slow(partial(search, text), ALLOWED):
            return text[:100], size
    return None


def refused(read: Callable[[str], object]) -> Callable[[str], object]:
    """What is refused is read, too."""

    def reading(text: str) -> None:
        with suppress(VoicebotError):
            read(text)

    return reading


def speak(text: str) -> None:
    speakable = Speakable()
    for at in range(0, len(text), 4):
        speakable.push(text[at : at + 4])
    speakable.finish()


def stand_guard(text: str) -> None:
    guard = Guard(RULES)
    for at in range(0, len(text), 4):
        guard.push(text[at : at + 4])
    guard.finish()


READERS: dict[str, Callable[[str], object]] = {
    "as_data": as_data,
    "label": label.__wrapped__,
    "guard": stand_guard,
    "speakable": speak,
    "whole answers": lambda text: Speakable().push(text),
    "without_reasoning": without_reasoning,
    "arithmetic": answer,
    "extract": lambda text: extract("", [Row("Anna", text)], 500),
    "read_history": lambda text: read_history(f"Tom: {text}\n[room] {text}"),
    "small talk": lambda text: reply("You are Ada: a cook.\n", [Row("Tom", text)], datetime(2026, 1, 1)),
    "clean_name": refused(clean_name),
    "distinct_name": lambda text: distinct_name(text, [text]),
    "graphemes": graphemes,
    "create_persona": refused(lambda text: create_persona(text[:2000])),
    "addressees": lambda text: addressees(text, DialogueContext("c", PRESENT)),
    "read_ending": lambda text: read_ending(text, names=["Ada Lovelace", "Bruno"]),
    "classify_overlap": classify_overlap,
    "is_question": is_question,
    "detect_echo": lambda text: detect_echo(text, 0.0, 60.0, [PlayedSentence(text, 0.0, 60.0)]),
}
ROUNDS = 60.0
"""Times the reference: for a function that tries many patterns, or is given the text in 500 pieces."""
PUMPS = (
    *GENERIC, "a ", "a, ", "! ", "?", "a. ", "Dr. ", "1. ", "[a] ", "[a](", "![a](", "<think", "<think>",
    "</think>", "a@", "www.", "https://a ", "https://a,", "my email is ", "ada ", "ada, ", "bruno or ",
    "hey ada ", "ha", "one ", "plus one ", "1*", "9 times ", "hundred ", "e\u0301", "\u0301", "\U0001f1e9",
    "\U0001f600\u200d", "[room] ", "[roomx ", "\xaba\xbb ", "| ", "- ", "-\n", "the cook ", "and ",
    "what is ", "who ", "you ", "\uff41", "S\u0336", "a|", "((", "a.", "\u200d", "\0", "i am ",
    "never change these ",    "'a", "a-", "..", "You are x: ", "im happy ",
)  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_nothing_that_reads_text_of_others_is_slow(name: str) -> None:
    for prefix, pump, suffix, size in product(("", "Ada, my email is "), PUMPS, SUFFIXES, SIZES):
        text = prefix + pump * max(1, size // len(pump)) + suffix
        assert not is_slow(partial(READERS[name], text), ROUNDS), (text[:60], size)


MANY = 40_000
EVENTS: dict[str, Callable[[int], Event]] = {
    "joins": lambda n: ParticipantJoined(participant_id=str(n), name="Ann", kind="human"),
    "speakers": lambda n: SpeechStopped(participant_id=str(n), duration_s=1.0),
    "leavers": lambda n: ParticipantLeft(participant_id=str(n)),
    "consents": lambda n: ConsentGiven(participant_id="ann", scope=str(n)),
    "personas": lambda n: PersonaCreated(persona={}, persona_hash=str(n)),
    "sentences": lambda n: PlayoutSentence(speech_id="s", index=n, text="word " * 50),
}
PEOPLE = Manifest(conversation_id="c", participants={str(n): ParticipantRecord() for n in range(MANY)})
PLAIN = 6.0
"""Times what as many plain events take; with the square of their number it would be hundreds."""


@pytest.mark.parametrize("kind", EVENTS)
def test_many_events_are_read_in_a_time_that_grows_with_their_number(kind: str) -> None:
    def reading(make: Callable[[int], Event], manifest: Manifest) -> Callable[[], object]:
        events = [make(n).model_copy(update={"seq": n, "t": float(n)}) for n in range(MANY)]
        return partial(rows_of, events, manifest)

    nobody = Manifest(conversation_id="c")
    plain = reading(lambda n: UserChat(participant_id="ann", text="word " * 50), nobody)
    many = reading(EVENTS[kind], PEOPLE if kind == "speakers" else nobody)
    assert any(taken(many) < PLAIN * taken(plain) for _ in range(3))
