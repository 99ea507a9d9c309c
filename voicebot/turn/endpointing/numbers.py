"""Detect a number, spelled letters or an address being dictated: English words, digits of any language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from voicebot.turn.vocabulary import words

DIGITS = words("zero oh one two three four five six seven eight nine")
NUMBERS = words("""
    ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty
    sixty seventy eighty ninety hundred thousand million billion
""")
WITHIN_NUMBERS = words("double triple point dash hyphen minus plus")
HALVES_OF_THE_DAY = ("a m", "p m")
"""Letters that end a time of day."""
MONTHS = words("january february march april may june july august september october november december")
BEFORE_ONE = words("that this which the another no any some every each good last next first other only a")
"""After these "one" is no number ("that one")."""
DICTATES = words("""
    number phone telephone mobile code pin zip postcode password card account extension serial spelled spelt
    spell spelling isbn licence license plate reference order
""")
"""Things that people dictate in groups of digits and letters."""
ADDRESS = words("at dot underscore dash hyphen slash www")
"""Words used to dictate an address."""
DOMAINS = words("com org net edu gov io ai co uk de fr eu us info dev app ch at nl it es")
"""Top-level domains; recognisers hardly ever write others."""

WRITTEN_ADDRESS = re.compile(r"(?<!\S)(?=\S+@|\S*www\.|\S*https?:)(\S*[^\s.,;!?])[.,;!?]*$", re.I)
"""The last word, if it is an address. Tried once per word: a pattern that may start anywhere is cubic."""
WHOLE_DOMAIN = re.compile(r"\.([a-z]{2,})$", re.I)
MY_ADDRESS = re.compile(r"\bmy (e-?mail|e mail)( address)? is (?P<rest>.+)$", re.I)
LETTER = re.compile(r"[a-z]")
ABBREVIATION = re.compile(r"[a-z](\.[a-z])+")
"""Recognisers also write spelled letters this way."""
LONG_NUMBER = 6
"""Digits of a number written in one piece (a year, a price); longer ones are dictated in groups."""


@dataclass(frozen=True)
class TrailingNumber:
    """Digits and letters at the end of a text."""

    digits: int = 0
    """How many digits, spoken one by one or written."""
    letters: int = 0
    """How many single letters, if there are several."""
    singly: bool = False
    """Whether digits or letters come one by one or in groups, rather than as one amount."""
    announced: bool = False
    """Whether the speaker announced it ("my number is")."""

    @property
    def number(self) -> bool:
        """Whether there is any digit or letter."""
        return self.digits > 0 or self.letters > 0


def trailing_number(words: Sequence[str], *, english: bool) -> TrailingNumber:
    """The digits or letters at the end of `words` (lower case, hyphens split, "12:30" one word)."""
    if english and " ".join(words[-2:]) in HALVES_OF_THE_DAY:
        return TrailingNumber()
    start = len(words)
    while start and _part(words[start - 1], english):
        start -= 1
    while start < len(words) and not _begins(words[start], words[start + 1 : start + 2]):
        start += 1
    run = words[start:]
    before = words[max(0, start - 6) : start]
    announced = english and any(word in DICTATES for word in before)
    if not run and announced and (spelled := ABBREVIATION.fullmatch(words[-1])):
        return TrailingNumber(letters=len(spelled[0].replace(".", "")), announced=True)
    written = [word for word in run if word.isdigit()]
    spoken = [word for word in run if word in DIGITS]
    letters = [word for word in run if LETTER.fullmatch(word)]
    amounts = [word for word in run if word in NUMBERS or (word[0].isdigit() and not word.isdigit())]
    if run == ["one"] and before[-1:] and before[-1] in BEFORE_ONE:
        return TrailingNumber()
    if letters and len(run) < 2 and not written:
        return TrailingNumber()  # "plan b", "so do i"
    digits = sum(map(len, written)) + len(spoken) + len(amounts)
    pieces = len(written) + len(spoken) + len(letters)
    singly = (pieces >= 2 and len(amounts) < pieces) or max(map(len, written), default=0) > LONG_NUMBER
    if english and len(written) == len(run) == 2 and before[-1:] and before[-1] in MONTHS:
        singly = False  # "May 5, 1984"
    return TrailingNumber(digits, len(letters), singly, announced)


def address_unfinished(text: str, words: Sequence[str]) -> bool | None:
    """True if an address is being dictated, False if a complete one ends the text, None if there is none."""
    if found := WRITTEN_ADDRESS.search(text.rstrip()):
        return not WHOLE_DOMAIN.search(found[1])
    if len(words) >= 2 and words[-2] == "dot" and words[-1] in DOMAINS:
        return False
    spelled = "dot" in words[-4:] or "underscore" in words[-4:]
    if spelled and (words[-1] in ADDRESS or "at" in words[:-1]):
        return True
    if (found := MY_ADDRESS.search(text)) and found["rest"].strip(" .,!?"):
        return True
    return None


def _part(word: str, english: bool) -> bool:
    if word[0].isdigit() or LETTER.fullmatch(word):
        return True
    return english and (word in DIGITS or word in NUMBERS or word in WITHIN_NUMBERS)


def _begins(word: str, after: Sequence[str]) -> bool:
    """Whether a number begins here: not in "my name is a" or "oh", but in "a d a" and "oh three"."""
    if word in WITHIN_NUMBERS:
        return False
    if word in ("a", "i"):
        return bool(after) and LETTER.fullmatch(after[0]) is not None
    return word != "oh" or bool(after)
