"""A model that begins to read out its instructions is stopped before anybody hears it.

A sentence of the instructions is known by its words in a row, whatever their case and punctuation. This
stops a quotation, deliberately or by accident; a model that says the same in other words, in another
language or letter by letter is stopped by nothing but its instructions.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

QUOTED = 6
"""Words in a row that make a quotation."""
HELD = 3
"""From so many words in a row on they are held back until it is clear whether it becomes one."""
WORD = re.compile(r"[^\W_]+")
UNSEEN = str.maketrans("", "", "\u00ad\u200b\u2060\ufeff")
DECLINED = {
    "en": "That is between me and whoever set me up. Let's talk about something else.",
    "de": "Das bleibt zwischen mir und denen, die mich eingerichtet haben. Reden wir über etwas anderes.",
    "fr": "Cela reste entre moi et ceux qui m'ont configuré. Parlons d'autre chose.",
    "es": "Eso queda entre quienes me prepararon y yo. Hablemos de otra cosa.",
    "it": "Questo resta tra me e chi mi ha preparato. Parliamo d'altro.",
}
"""Said instead, by language; English where there is none."""


class Guard:
    """Give it an answer piece by piece; what it gives back may be said.

    An answer that is nothing like the protected text is passed on at once and unchanged.
    """

    def __init__(self, protected: str) -> None:
        self._at = _where(protected)
        self.tripped = False
        """It was a quotation: nothing after it is passed on."""
        self._text = ""
        self._scanned = self._safe = self._given = 0
        """Ends in the text: of the words looked at, of what may be said, of what has been given out."""
        self._runs: dict[int, int] = {}
        """By where in the protected text the quotation would go on: its words so far."""

    def push(self, piece: str) -> str:
        """More of the answer; returns what may be said now."""
        if self.tripped:
            return ""
        self._text += piece.translate(UNSEEN)
        return self._scan(final=False)

    def finish(self) -> str:
        """The rest of it."""
        return "" if self.tripped else self._scan(final=True)

    def quotes(self, text: str) -> bool:
        """Whether a whole text has a quotation in it."""
        runs: dict[int, int] = {}
        for word in _words(text.translate(UNSEEN)):
            runs = self._go_on(runs, word)
            if max(runs.values(), default=0) >= QUOTED:
                return True
        return False

    def _scan(self, final: bool) -> str:
        text, run = self._text, max(self._runs.values(), default=0)
        for found in WORD.finditer(text, self._scanned):
            if found.end() == len(text) and not final:
                self._scanned = found.start()
                break  # it may go on
            self._runs = self._go_on(self._runs, _plain(found[0]))
            run = max(self._runs.values(), default=0)
            if run >= QUOTED:
                self.tripped = True
                return text[self._given : self._safe]
            if run < HELD:
                self._safe = found.end()
        else:
            self._scanned = len(text)
        if final or run < HELD - 1:
            self._safe = len(text)
        given, self._given = text[self._given : self._safe], self._safe
        return given

    def _go_on(self, runs: dict[int, int], word: str) -> dict[int, int]:
        return {index + 1: runs.get(index, 0) + 1 for index in self._at.get(word, ())}


def declined(language: str) -> str:
    """What to say instead of a quotation."""
    return DECLINED.get(language, DECLINED["en"])


@lru_cache(maxsize=8)
def _where(text: str) -> dict[str, list[int]]:
    """Where each word is in a text; the same for every answer."""
    found: dict[str, list[int]] = {}
    for index, word in enumerate(_words(text)):
        found.setdefault(word, []).append(index)
    return found


def _words(text: str) -> list[str]:
    return [_plain(word) for word in WORD.findall(text)]


def _plain(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()
