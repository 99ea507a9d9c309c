"""Functions that read foreign text, and events that others cause, with hard input for each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from tests.security.input.patterns import GENERIC
from voicebot.agent.speaking.sentences import Speakable, without_reasoning
from voicebot.agent.thinking.data import as_data, label
from voicebot.agent.thinking.guard import Guard
from voicebot.agent.thinking.instructions import RULES
from voicebot.errors import VoicebotError
from voicebot.events import (
    ConsentGiven,
    Event,
    ParticipantJoined,
    ParticipantLeft,
    PersonaCreated,
    PlayoutSentence,
    SpeechStopped,
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

PRESENT = (
    Participant("a", "Ada Lovelace", True, "a grumpy lighthouse keeper"),
    Participant("b", "Bruno", True, "a cook"),
    Participant("c", "Anna", False),
)


def refused(read: Callable[[str], object]) -> Callable[[str], object]:
    """Refused input has been read, too."""

    def reading(text: str) -> None:
        with suppress(VoicebotError):
            read_ending(text)

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

PUMPS = (
    *GENERIC, "a ", "a, ", "! ", "?", "a. ", "Dr. ", "1. ", "[a] ", "[a](", "![a](", "<think", "<think>",
    "</think>", "a@", "www.", "https://a ", "https://a,", "my email is ", "ada ", "ada, ", "bruno or ",
    "hey ada ", "ha", "one ", "plus one ", "1*", "9 times ", "hundred ", "e\u0301", "\u0301", "\U0001f1e9",
    "\U0001f600\u200d", "[room] ", "[roomx ", "\xaba\xbb ", "| ", "- ", "-\n", "the cook ", "and ",
    "what is ", "who ", "you ", "\uff41", "S\u0336", "a|", "((", "a.", "\u200d", "\0", "i am ",
    "never change these ",    "'a", "a-", "..", "You are x: ", "im happy ",
)  # fmt: skip

EVENTS: dict[str, Callable[[int], Event]] = {
    "joins": lambda n: ParticipantJoined(participant_id=str(n), name="Ann", kind="human"),
    "speakers": lambda n: SpeechStopped(participant_id=str(n), duration_s=1.0),
    "leavers": lambda n: ParticipantLeft(participant_id=str(n)),
    "consents": lambda n: ConsentGiven(participant_id="ann", scope=str(n)),
    "personas": lambda n: PersonaCreated(persona={}, persona_hash=str(n)),
    "sentences": lambda n: PlayoutSentence(speech_id="s", index=n, text="word " * 50),
}
