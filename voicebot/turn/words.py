"""A line as words with the punctuation between them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from voicebot.turn.sounds import fold
from voicebot.turn.vocabulary import AUXILIARY, OPENERS, PRONOUNS, QUESTION_WORDS, REQUESTS

LETTERS = r"(?:[^\W\d_]|[\u0300-\u036f\u0900-\u0d7f\u0e31-\u0e4e])+"
"""A pattern: letters with their marks, of which `\\w` lacks the Indic and Thai ones."""
WORD = re.compile(rf"{LETTERS}(?:['\u2019-]{LETTERS})*|\d+")
HEAD, TAIL = 200, 600
"""Characters of the beginning and the end of a long line that are looked at: about 13 and 40 s of speech."""
STOP, COMMA, QUESTION = ".", ",", "?"


@dataclass(frozen=True)
class Tokens:
    """`words` are folded; `gaps[i]` stands before word i and `gaps[-1]` at the end.

    A gap is "" or a COMMA, STOP or QUESTION; the first is a STOP, and the last one, too, if nothing else.
    """

    words: tuple[str, ...]
    gaps: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Tokens:
        if len(text) > HEAD + TAIL:
            text = f"{text[:HEAD].rsplit(' ', 1)[0]}. {text[-TAIL:].split(' ', 1)[-1]}"
        words: list[str] = []
        gaps: list[str] = []
        end = 0
        for found in WORD.finditer(text):
            gaps.append(_gap(text[end : found.start()]) if words else STOP)
            words.append(fold(found[0]))
            end = found.end()
        return cls(tuple(words), (*gaps, QUESTION if _gap(text[end:]) == QUESTION else STOP))

    def begins(self, at: int) -> bool:
        """A sentence begins at this word."""
        return self.gaps[at] in (STOP, QUESTION)

    def ends(self, at: int) -> bool:
        """A sentence ends before this index."""
        return self.gaps[at] in (STOP, QUESTION)

    def sentence(self, end: int) -> Tokens:
        """The sentence that ends before this index."""
        start = max(at for at in range(end) if self.begins(at))
        return Tokens(self.words[start:end], (STOP, *self.gaps[start + 1 : end + 1]))

    def before(self, at: int) -> str:
        """Up to six words of the same sentence before this one."""
        start = at
        while start > 0 and at - start < 6 and not self.begins(start):
            start -= 1
        return " ".join(self.words[start:at])

    def after(self, at: int) -> str:
        """Up to four words of the same sentence from this index on."""
        end = at
        while end < len(self.words) and end - at < 4 and not self.ends(end):
            end += 1
        return " ".join(self.words[at:end])


def _gap(between: str) -> str:
    if between == " ":
        return ""
    if re.search(r"[?\uff1f]", between):
        return QUESTION
    if re.search(r"[.!;\u2026\u3002\uff01\n]", between):
        return STOP
    return COMMA if re.search(r"[,:\u3001\uff0c\u2013\u2014]|\s-\s", between) else ""


def asks(line: Tokens, at: int) -> bool:
    """From this word on somebody is asked or told to do something."""
    if at >= len(line.words):
        return False
    first = line.words[at]
    second = line.words[at + 1] if at + 1 < len(line.words) and not line.ends(at + 1) else ""
    return first in QUESTION_WORDS or first in REQUESTS or (first in AUXILIARY and second in PRONOUNS)


def is_question(text: str) -> bool:
    """Whether what was said ends in a question, by its mark or, where none was written, by its words."""
    line = Tokens.of(text[-400:])
    if not line.words:
        return False
    if line.gaps[-1] == QUESTION:
        return True
    start = max(at for at in range(len(line.words)) if line.begins(at))
    while start < len(line.words) - 1 and (line.words[start] in OPENERS or line.gaps[start + 1] == COMMA):
        start += 1
    # a name may stand before it
    return any(asks(line, at) and line.words[at] not in REQUESTS for at in (start, start + 1)) and (
        line.words[start] not in REQUESTS | PRONOUNS
    )
