"""Stop a model that begins to read out its instructions, before anybody hears it.

A quotation is a number of consecutive words of the instructions, in any case and punctuation. Only the
instructions themselves keep a model from saying the same in other words, in another language or letter by
letter.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

QUOTED = 6
"""Consecutive words that make a quotation."""
HELD = 3
"""Consecutive words that are held back until it is clear whether they become a quotation."""
WORD = re.compile(r"[^\W_]+")
UNSEEN = str.maketrans("", "", "\u00ad\u200b\u2060\ufeff")
DECLINED = {
    "en": "That is between me and whoever set me up. Let's talk about something else.",
    "de": "Das bleibt zwischen mir und denen, die mich eingerichtet haben. Reden wir über etwas anderes.",
    "fr": "Cela reste entre moi et ceux qui m'ont configuré. Parlons d'autre chose.",
    "es": "Eso queda entre quienes me prepararon y yo. Hablemos de otra cosa.",
    "it": "Questo resta tra me e chi mi ha preparato. Parliamo d'altro.",
}
"""What to say instead, by language; English is used for any other."""


class Guard:
    """Filters one answer. Text that does not resemble the protected text passes unchanged and at once."""

    def __init__(self, protected: str) -> None:
        self._at = _indices(protected)
        self.tripped = False
        """Whether the answer had a quotation. Nothing passes from there on."""
        self._text = ""
        self._scanned = self._safe = self._given = 0
        """Ends in the text of the words examined, of what may be said, and of what has been returned."""
        self._runs: dict[int, int] = {}
        """Possible quotations: the index in the protected text of the next word, and the words so far."""

    def push(self, piece: str) -> str:
        """Add a piece of the answer; returns what may be said now."""
        if self.tripped:
            return ""
        self._text += piece.translate(UNSEEN)
        return self._scan(final=False)

    def finish(self) -> str:
        """End the answer; returns the rest."""
        return "" if self.tripped else self._scan(final=True)

    def quotes(self, text: str) -> bool:
        """Whether a complete text contains a quotation."""
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
                break  # the word may continue
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
    """Return what to say instead of a quotation. `language` is an ISO 639-1 code."""
    return DECLINED.get(language, DECLINED["en"])


@lru_cache(maxsize=8)
def _indices(text: str) -> dict[str, list[int]]:
    """The indices of each word in a text; cached, because every answer has the same."""
    found: dict[str, list[int]] = {}
    for index, word in enumerate(_words(text)):
        found.setdefault(word, []).append(index)
    return found


def _words(text: str) -> list[str]:
    return [_plain(word) for word in WORD.findall(text)]


def _plain(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()
