"""What the words say about the end of a turn. Pure: an interim transcript goes in, a reading comes out.

Recognisers that punctuate (Whisper) nearly always write a full stop, and too early, so the last word counts
more. Those that do not (pocketsphinx, in lower case) leave only the shape of the sentence. The word lists are
English; in other languages punctuation, digits and names decide alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from voicebot.turn.endpointing import vocabulary as english_words
from voicebot.turn.endpointing.numbers import TrailingNumber, address_unfinished, trailing_number
from voicebot.turn.endpointing.settings import EndpointingSettings
from voicebot.turn.sounds import name_similarity
from voicebot.turn.vocabulary import AUXILIARIES, AUXILIARY, PRONOUNS, QUESTION_WORDS
from voicebot.turn.words import LETTERS

WORD = re.compile(
    # an amount, a time of day or an abbreviation is one word: "1,000", "3.14", "12:30", "24/7", "p.m."
    r"(?<!\d[.,:])(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+[.,:/]\d+)(?![.,:]?\d)|"
    r"(?:[^\W\d_]\.)+[^\W\d_](?![^\W_])|"
    rf"{LETTERS}(?:['\u2019]{LETTERS})*|\d+"
)
_DEFAULT = EndpointingSettings()
CLOSING = "\"'\u201d\u2019\u00bb\u300d)]} "
"""Characters that may follow the last punctuation mark."""
SAME_NAME = 0.95
"""`name_similarity` at which a word said alone is somebody's name."""
HONORIFIC = 2
"""Letters that a suffix may add to a name in a script without spaces ("-san"); more make a sentence."""


class Ending(Enum):
    """How an interim transcript ends; the values are shown to people."""

    NOTHING = "no words yet"
    QUESTION = "a complete question"
    SENTENCE = "a complete sentence"
    ANSWER = "a short answer"
    QUESTION_SHAPE = "it sounds like a question"
    PLAIN = "it may be complete"
    NUMBER = "a number that may go on"
    CLAUSE = "a clause that may go on"
    VOCATIVE = "only a name was called"
    UNFINISHED = "an unfinished sentence"
    FILLER = "a filler"
    DICTATION = "something is being dictated"

    @property
    def complete(self) -> bool:
        """Whether the words are complete."""
        return self in (Ending.QUESTION, Ending.SENTENCE, Ending.ANSWER, Ending.QUESTION_SHAPE)

    @property
    def expects_more(self) -> bool:
        """Whether the words announce that more follows."""
        return self in _MORE


_MORE = {Ending.NUMBER, Ending.CLAUSE, Ending.VOCATIVE, Ending.UNFINISHED, Ending.FILLER, Ending.DICTATION}


@dataclass(frozen=True)
class Reading:
    """An ending and the reason for it, for people to read ("ends with 'and'")."""

    ending: Ending
    because: str


def read_ending(
    text: str,
    *,
    language: str = "",
    names: Sequence[str] = (),
    settings: EndpointingSettings = _DEFAULT,
) -> Reading:
    """Classify how an interim transcript ends. `language` is a code ("": English); `names` can be called."""
    words = [word.casefold().replace("\u2019", "'") for word in WORD.findall(text)]
    if not words:
        return _reading(Ending.NOTHING)
    mark = _mark(text)
    is_english = language[:2].casefold() in ("", "en")
    if is_english and (filler := _filler(words)):
        return filler
    if name := _called(words, names):
        return Reading(Ending.VOCATIVE, f"only {name} was called")
    if mark == "?":
        return _reading(Ending.QUESTION)
    if mark == "...":
        return Reading(Ending.UNFINISHED, "it breaks off")
    if is_english and (address := address_unfinished(text, words)) is not None:
        if address:
            return Reading(Ending.DICTATION, "an address is being dictated")
        return _reading(Ending.SENTENCE if mark == "." else Ending.PLAIN)
    number = trailing_number(words, english=is_english)
    if number.number:
        return _number(number, settings)
    if is_english:
        return _english(words, mark)
    if mark == ",":
        return Reading(Ending.CLAUSE, "ends with a comma")
    return _reading(Ending.SENTENCE if mark == "." else Ending.PLAIN)


def _mark(text: str) -> str:
    """The last punctuation mark as "?", ".", ",", "..." or ""."""
    end = text.rstrip(CLOSING)
    if end.endswith(("...", "\u2026", "-", "\u2013", "\u2014")):
        return "..."
    if end.rstrip("!\uff01").endswith(("?", "\uff1f", "\u061f")):
        return "?"
    if end.endswith((".", "!", "\u3002", "\uff01", "\u0964")):
        return "."
    return "," if end.endswith((",", ";", ":", "\u3001", "\uff0c", "\u060c")) else ""


def _called(words: Sequence[str], names: Sequence[str]) -> str:
    """The name, if nothing but a name was said, perhaps after "hey"; else ""."""
    said = list(words)
    while len(said) > 1 and said[0] in english_words.CALLS:
        said = said[1:]
    spoken = " ".join(said)
    for name in names:
        span = len(WORD.findall(name))
        alone = 0 < len(said) <= span and len(spoken) <= len(name) + HONORIFIC
        if alone and name_similarity(name, spoken) >= SAME_NAME:
            return name
        if span > 1 and len(said) == 1 and name_similarity(WORD.findall(name)[0], said[0]) >= SAME_NAME:
            return name
    return ""


def _number(number: TrailingNumber, settings: EndpointingSettings) -> Reading:
    if number.digits >= settings.whole_number:
        return Reading(Ending.NUMBER, f"a number of {number.digits} digits, which may be whole")
    count = number.digits + number.letters
    if number.announced or (number.singly and count >= settings.shortest_dictation):
        what = "letters are" if number.letters > number.digits else "a number is"
        return Reading(Ending.DICTATION, f"{what} being dictated")
    return Reading(Ending.NUMBER, "ends with a number")


def _filler(words: Sequence[str]) -> Reading | None:
    last = words[-1]
    if last in english_words.FILLERS and words[-2:] != ["uh", "uh"]:
        return Reading(Ending.FILLER, f"ends with '{last}'")
    said = " ".join(words)
    for moment in english_words.MOMENT:
        if said == moment or said.endswith(f" {moment}"):
            before = said.removesuffix(moment).split()[-1:]
            if moment in ("you know", "wait") and before and before[0] not in english_words.OPENERS:
                continue  # "do you know", "I cannot wait"
            return Reading(Ending.FILLER, f"'{moment}' asks for a moment")
    return None


def _english(words: list[str], mark: str) -> Reading:
    last, said = words[-1], " ".join(words)
    if mark != "," and (said in english_words.ANSWERS or _answered(words)):
        return _reading(Ending.ANSWER)
    question = _asks(words)
    if last in english_words.NEVER_LAST or _hangs(words):
        may = mark == "." or (question and _question_word(words))
        if last in english_words.NEVER_LAST or not may:
            return Reading(Ending.UNFINISHED, f"ends with '{last}'")
        if mark != "," and (_question_word(words), last) in english_words.STRANDED:
            return _reading(Ending.QUESTION_SHAPE)
        return Reading(Ending.CLAUSE, f"ends with '{last}', though it may be complete")
    for phrase in english_words.OPEN_ENDS:
        if said.endswith(f" {phrase}") or (said == phrase and mark != "."):
            return Reading(Ending.CLAUSE, f"ends with '{phrase}'")
    if mark == ",":
        return Reading(Ending.CLAUSE, "ends with a comma")
    if mark == ".":
        return _reading(Ending.SENTENCE)
    if question:
        return _reading(Ending.QUESTION_SHAPE)
    if len(words) > 2 and said.endswith(tuple(f" {closer}" for closer in english_words.CLOSERS)):
        return Reading(Ending.SENTENCE, f"ends with '{last}'")
    return _reading(Ending.PLAIN)


def _answered(words: Sequence[str]) -> bool:
    """ "Yes it is", "no i don't"."""
    return (
        len(words) == 3
        and words[0] in english_words.YES_NO
        and words[1] in PRONOUNS
        and words[2] in AUXILIARY
    )


def _asks(words: Sequence[str]) -> bool:
    """Whether the words form an English question of three words or more."""
    rest = list(words)
    while rest and rest[0] in english_words.OPENERS:
        rest = rest[1:]
    if len(rest) < 3:
        return False
    if _question_word(rest[:1]):
        return True
    return rest[0] in AUXILIARY and rest[1] in PRONOUNS | {"the", "a", "my", "your", "anyone"}


def _question_word(words: Sequence[str]) -> str:
    """The first question word without its contraction ("what's" gives "what"); "" if there is none."""
    return next((word.split("'")[0] for word in words if word.split("'")[0] in QUESTION_WORDS), "")


def _hangs(words: Sequence[str]) -> bool:
    """Whether the last word needs another one after it in this context."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in english_words.PREPOSITIONS:
        return True
    if last in AUXILIARIES:
        return before not in PRONOUNS  # "I think it is", "do you know what it was"
    if last in QUESTION_WORDS:
        return before not in english_words.WH_BEFORE
    return last == "so" and before not in english_words.SO_BEFORE


def _reading(ending: Ending) -> Reading:
    return Reading(ending, ending.value)
