"""A language model's token stream to sentences a voice can say.

Reasoning, code, Markdown, emoji and addresses are taken out wherever the stream happens to
be cut; sentences are given out as soon as they are surely complete, the first one earlier.
"""

from __future__ import annotations

import re

FIRST_CLAUSE = 24
"""Characters from which the first piece may already end at a comma: the voice starts sooner."""
SHORT = 16
"""A later piece below this length waits for the next sentence: fewer, rounder pieces."""
LONG = 240
"""A sentence longer than this is cut at a comma or, failing that, between two words."""

LOOKED_AT = 2 * LONG
"""Characters in which the end of a sentence is looked for, before it is cut as one that is too long."""
LONGEST_WORD = 20
"""No abbreviation is longer."""

HIDDEN = ("think", "thinking", "thought", "reasoning", "scratchpad")
OPENING = re.compile(rf"<({'|'.join(HIDDEN)})\b[^<>]*>|```", re.I)
CLOSING = {name: re.compile(rf"</{name}\s*>", re.I) for name in HIDDEN} | {None: re.compile("```")}
STRAY = re.compile(rf"</(?:{'|'.join(HIDDEN)})\s*>", re.I)
PARTIAL = re.compile(r"<(?:[A-Za-z/][^<>\n]{0,80})?$|`{1,2}$")
"""What a cut-off tag or code fence looks like at the end of a chunk."""

ABBREVIATIONS = {
    "mr", "mrs", "ms", "dr", "prof", "st", "vs", "e.g", "i.e", "etc", "approx", "no", "jr", "sr", "inc",
    "dept", "u.s", "u.k", "a.m", "p.m", "cf", "fig", "vol", "gen", "col", "capt", "lt", "rev", "est",
}  # fmt: skip
SENTENCE_END = re.compile(
    r"(?<![.!?\u2026\u3002\uff01\uff1f])[.!?\u2026\u3002\uff01\uff1f]++[\"'\u201d\u2019)\]*_]*+(?=\s)"
    r"|[\u3002\uff01\uff1f]|\n+"
)
CLAUSE_END = re.compile(r"[,;:\u2013\u2014]\s")

EMOJI = re.compile(
    "[\U0001f000-\U0001faff\U0001fb00-\U0001fbff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\u2190-\u21ff"
    "\ufe0e\ufe0f\u200d\u20e3\U000e0000-\U000e007f]+"
)
URL = re.compile(r"\b(?:https?://|www\.)([\w.-]*\w)(?:[:/?#][^\s)\]>]*)?", re.I)
CLEANING: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"!\[([^\[\]]*)\]\([^()]*\)"), r"\1"),
    (re.compile(r"\[([^\[\]]+)\]\([^()]*\)"), r"\1"),
    (re.compile(r"</?[A-Za-z][^<>\n]{0,80}>"), " "),
    (re.compile(r"^\s{0,8}(?:#{1,6}|>+|[-*+\u2022])\s+", re.M), ""),
    (re.compile(r"^[^\S\n]*(?:[-*_=][^\S\n]*){3,}$", re.M), ""),
    (re.compile(r"(?<=\d)(?:\*| \* )(?=\d)"), " times "),
    (re.compile(r"\*{1,3}|~~|`+|(?<!\w)_{1,2}(?=\S)|(?<=\S)_{1,2}(?!\w)"), ""),
    (re.compile(r"\|"), ", "),
)
ITEM = re.compile(r"\s{0,8}(\d{1,3})[.)]\s+")


class Speakable:
    """Feed it chunks of any size; take out pieces of clean text, in order."""

    def __init__(self) -> None:
        self._raw = ""
        self._text = ""
        self._closing: re.Pattern[str] | None = None
        """What ends the hidden part we are in; None outside of one."""
        self._given = 0
        self._short = 0
        """Up to there in the text, what could be said is shorter than `SHORT`."""
        self._new_line = False
        """The text begins a line that is not the answer's first."""
        self._item = 0
        """The number of the last item of a list."""

    def push(self, chunk: str) -> list[str]:
        """More text; returns the pieces that are complete now."""
        self._raw += chunk
        self._text += self._visible(final=False)
        return self._cut(final=False)

    def finish(self) -> list[str]:
        """No more text: what is left. An unclosed hidden part is dropped."""
        self._text += self._visible(final=True)
        return self._cut(final=True)

    def _visible(self, final: bool) -> str:
        """Take from the raw text what is outside of reasoning and code and surely no cut-off mark."""
        shown = ""
        while self._raw:
            if self._closing is not None:
                end = self._closing.search(self._raw)
                if end is None:
                    self._raw = "" if final else self._raw[-20:]  # the closing mark may be cut in two
                    break
                self._raw, self._closing = self._raw[end.end() :], None
                continue
            begin = OPENING.search(self._raw)
            if begin is not None:
                shown += self._raw[: begin.start()] + (" " if begin.group(1) else "\n")
                self._closing = CLOSING[begin.group(1) and begin.group(1).lower()]
                self._raw = self._raw[begin.end() :]
                continue
            held = None if final else PARTIAL.search(self._raw)
            cut = held.start() if held else len(self._raw)
            shown += self._raw[:cut]
            self._raw = self._raw[cut:]
            break
        return STRAY.sub(" ", shown)

    def _cut(self, final: bool) -> list[str]:
        pieces: list[str] = []
        while (end := self._end()) is not None:
            self._give(self._text[:end], pieces)
            self._text, self._short = self._text[end:], 0
        if final:
            self._give(self._text, pieces)
            self._text = ""
        return pieces

    def _give(self, raw: str, pieces: list[str]) -> None:
        item, self._new_line = self._number(raw), raw.endswith("\n")
        if item:
            self._item, raw = int(item[1]), raw[item.end() :]
        if text := clean(raw):
            self._given += 1
            pieces.append(text)

    def _number(self, text: str) -> re.Match[str] | None:
        """The number of a list's item that the text begins with: one that begins or goes on counting.

        "42. That is the answer." is a sentence, also on a line of its own.
        """
        found = ITEM.match(text) if self._new_line else None
        return found if found and int(found[1]) in (1, self._item + 1) else None

    def _end(self) -> int | None:
        """Where the next piece ends in the text so far, or None."""
        text = self._text
        item = self._number(text)
        for found in SENTENCE_END.finditer(text, item.end() if item else 0, LOOKED_AT):
            if found.end() < self._short and "\n" not in found.group():
                continue
            if _inside_link(text, found.start()) or not _is_end(text, found):
                continue
            if self._given and "\n" not in found.group():
                missing = SHORT - len(clean(text[: found.end()]))
                if missing > 0:
                    self._short = found.end() + missing
                    continue
            return found.end()
        if not self._given:
            for clause in CLAUSE_END.finditer(text, 0, LOOKED_AT):
                if clause.start() >= FIRST_CLAUSE and not _inside_link(text, clause.start()):
                    return clause.end()
        if len(text) > LONG:
            commas = [c.end() for c in CLAUSE_END.finditer(text, 0, LONG)]
            return commas[-1] if commas else (text.rfind(" ", 0, LONG) + 1 or LONG)
        return None


def without_reasoning(text: str) -> str:
    """A whole answer without what a model thinks before it; what is never closed stays."""
    shown, at, open_ended = "", 0, set[str]()
    for begin in OPENING.finditer(text):
        name = (begin.group(1) or "").lower()
        if begin.start() < at or not name or name in open_ended:
            continue
        if (end := CLOSING[name].search(text, begin.end())) is None:
            open_ended.add(name)  # nor is any later one closed
            continue
        shown, at = shown + text[at : begin.start()], end.end()
    return shown + text[at:]


def clean(text: str) -> str:
    """Plain speakable text of one piece; "" when nothing in it can be said."""
    text = URL.sub(_host, text)
    for pattern, replacement in CLEANING:
        text = pattern.sub(replacement, text)
    text = " ".join(EMOJI.sub(" ", text).split()).strip(" |").lstrip(",; ")
    text = re.sub(r" ([,.!?;:])", r"\1", text)
    return text if any(c.isalnum() for c in text) else ""


def _host(url: re.Match[str]) -> str:
    """The name of an address that is read out, with the punctuation after the address."""
    address = url.group()
    return url.group(1).removeprefix("www.") + address[len(address.rstrip(".,!?;:")) :]


def _is_end(text: str, found: re.Match[str]) -> bool:
    if "\n" in found.group() or found.group()[0] != ".":
        return True
    if found.group().startswith(".."):
        return True
    before = text[max(0, found.start() - LONGEST_WORD) : found.start()]
    word = re.split(r"[\s(\"']", before)[-1].casefold()
    # "Dr. Who", "J. Smith"
    return not (word in ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "i"))


def _inside_link(text: str, at: int) -> bool:
    """Between the brackets of a Markdown link that may still be open."""
    opened = text.rfind("[", 0, at)
    if opened < 0 or at - opened > 300 or "\n" in text[opened:at]:
        return False
    return not re.match(r"\[[^\]]*\](?:\([^)]*\)|[^(]|$)", text[opened : at + 1])
