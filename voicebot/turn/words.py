"""A line split into words and the punctuation between them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from voicebot.turn.sounds import fold
from voicebot.turn.vocabulary import AUXILIARY, OPENERS, PRONOUNS, QUESTION_WORDS, REQUESTS

LETTERS = r"(?:[^\W\d_]|[\u0300-\u036f\u0900-\u0d7f\u0e31-\u0e4e])+"
"""Pattern for letters with their marks; `\\w` lacks the Indic and Thai ones."""
WORD = re.compile(rf"{LETTERS}(?:['\u2019-]{LETTERS})*|\d+")
HEAD, TAIL = 200, 600
"""Characters examined at the beginning and the end of a long line: about 13 and 40 s of speech."""
STOP, COMMA, QUESTION = ".", ",", "?"


@dataclass(frozen=True)
class Tokens:
    """A line's folded words; `gaps[i]` precedes word i, and `gaps[-1]` ends the line.

    A gap is "", COMMA, STOP or QUESTION. The first is always STOP, the last is STOP or QUESTION.
    """

    words: tuple[str, ...]
    gaps: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Tokens:
        """Split a line, shortened to its `HEAD` and `TAIL`, into folded words."""
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
        """Whether a sentence begins at this word."""
        return self.gaps[at] in (STOP, QUESTION)

    def ends(self, at: int) -> bool:
        """Whether a sentence ends before this index."""
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
    """Whether a question or a request begins at this word."""
    if at >= len(line.words):
        return False
    first = line.words[at]
    second = line.words[at + 1] if at + 1 < len(line.words) and not line.ends(at + 1) else ""
    return first in QUESTION_WORDS or first in REQUESTS or (first in AUXILIARY and second in PRONOUNS)


def is_question(text: str) -> bool:
    """Whether the text ends in a question, by its mark or, if there is none, by its words."""
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
