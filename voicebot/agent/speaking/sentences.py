"""Turn a language model's token stream into sentences for synthesis.

Reasoning, code, Markdown, emoji and addresses are removed, even if they are split between chunks. A sentence
is released as soon as it is certainly complete, the first piece even earlier.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from sentencex import segment

FIRST_CLAUSE = 24
"""The first piece may end at a comma after this many characters, so that speech starts sooner."""
SHORT = 16
"""A later piece with fewer characters waits for the next sentence, which sounds more natural."""
LONG = 240
"""A sentence with more characters is cut at a comma or else between two words."""
LOOKED_AT = 2 * LONG
"""Characters to search for the end of a sentence before it is cut as too long."""

HIDDEN = ("think", "thinking", "thought", "reasoning", "scratchpad")
OPENING = re.compile(rf"<({'|'.join(HIDDEN)})\b[^<>]*>|```", re.I)
CLOSING = {name: re.compile(rf"</{name}\s*>", re.I) for name in HIDDEN} | {None: re.compile("```")}
STRAY = re.compile(rf"</(?:{'|'.join(HIDDEN)})\s*>", re.I)
PARTIAL = re.compile(r"<(?:[A-Za-z/][^<>\n]{0,80})?$|`{1,2}$")
"""A tag or code fence that is cut off at the end of a chunk."""

LOOKED_BACK = 40
"""Characters before a full stop that tell whether it ends an abbreviation."""
INITIAL = re.compile(r"(?:\b(?!I\b)[^\W\d_]|\bapprox)\.$", re.I)
"""Ends of "J. Smith" and "M. Dupont" in any language; sentencex knows the other abbreviations."""
FOLLOWING = re.compile(r"\s+(\S+)\s")
SENTENCE_END = re.compile(
    r"(?<![.!?\u2026\u3002\uff01\uff1f\u0964\u061f])[.!?\u2026\u3002\uff01\uff1f\u0964\u061f]++"
    r"[\"'\u201d\u2019)\]*_]*+(?=\s)|[\u3002\uff01\uff1f]|\n+"
)
CLAUSE_END = re.compile(r"[,;:\u2013\u2014]\s")

EMOJI = re.compile(
    "[\U0001f000-\U0001faff\U0001fb00-\U0001fbff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\u2190-\u21ff"
    "\ufe0e\ufe0f\u20e3\U000e0000-\U000e007f]\u200d?"
)
URL = re.compile(r"\b(?:https?://|www\.)([\w.-]*\w)(?:[:/?#][^\s)\]>]*)?", re.I)
MARKDOWN = MarkdownIt("commonmark").enable("strikethrough")
MARKUP = re.compile(r"[*_~`\[<&\\]")
"""Text without any of these needs no parser."""
BEFORE_PARSING = (
    (re.compile(r"^\s{0,8}(?:#{1,6}|>+|[-*+\u2022])\s+", re.M), ""),
    (re.compile(r"^[^\S\n]*(?:[-*_=][^\S\n]*){3,}$", re.M), ""),
    (re.compile(r"(?<=\d)\*\*(?=\d)"), " to the power of "),
    (re.compile(r"(?<=\d)(?:\*| \* )(?=\d)"), " times "),
)
"""Marks at the beginning of a line, and signs that `MARKDOWN` would take for emphasis."""
AFTER_PARSING = (
    (re.compile(r"\*{1,3}|~~|`+|(?<!\w)_{1,2}(?=\S)|(?<=\S)_{1,2}(?!\w)"), ""),
    (re.compile(r"\|"), ", "),
    (EMOJI, " "),
)
"""Marks whose other half is in another piece, columns of tables, and emoji."""
ITEM = re.compile(r"\s{0,8}(\d{1,3})[.)]\s+")


class Speakable:
    """Takes chunks of any size and returns pieces of clean text, in order.

    Args:
        language: ISO 639-1 code of the language whose abbreviations and ordinals end no sentence.
    """

    def __init__(self, language: str = "en") -> None:
        self._language = language
        self._raw = ""
        self._text = ""
        self._closing: re.Pattern[str] | None = None
        """The mark that ends the current hidden part; None outside of one."""
        self._given = 0
        self._searched = 0
        """No piece ends in the text before this index, except at a line break."""
        self._new_line = False
        """Whether the text begins a line other than the first."""
        self._item = 0
        """The number of the last list item."""

    def push(self, chunk: str) -> list[str]:
        """Add text; return the pieces that are now complete."""
        self._raw += chunk
        self._text += self._visible(final=False)
        return self._cut(final=False)

    def finish(self) -> list[str]:
        """End the text; return the rest. An unclosed hidden part is dropped."""
        self._text += self._visible(final=True)
        return self._cut(final=True)

    def _visible(self, final: bool) -> str:
        """Take the raw text outside of reasoning and code, except for a mark that may be cut off."""
        shown = ""
        while self._raw:
            if self._closing is not None:
                end = self._closing.search(self._raw)
                if end is None:
                    self._raw = (
                        "" if final else self._raw[-20:]
                    )  # the closing mark may be split between chunks
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
        while (end := self._end(final)) is not None:
            self._give(self._text[:end], pieces)
            self._text, self._searched = self._text[end:], 0
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
        """The list number at the beginning of the text, if it is 1 or follows the last one.

        "42. That is the answer." is a sentence, even on its own line.
        """
        found = ITEM.match(text) if self._new_line else None
        return found if found and int(found[1]) in (1, self._item + 1) else None

    def _end(self, final: bool) -> int | None:
        """Where the next piece ends, or None if it is not complete."""
        text = self._text
        item = self._number(text)
        for found in SENTENCE_END.finditer(text, item.end() if item else 0, LOOKED_AT):
            if found.end() < self._searched and "\n" not in found.group():
                continue
            if _inside_link(text, found.start()) or not self._ends_sentence(found, final):
                continue
            if self._given and "\n" not in found.group():
                missing = SHORT - len(clean(text[: found.end()]))
                if missing > 0:
                    self._searched = found.end() + missing
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

    def _ends_sentence(self, found: re.Match[str], final: bool) -> bool:
        """Whether these marks end a sentence. After a number, only the next word can tell."""
        mark = found.group()
        if mark[0] != "." or mark.startswith(".."):
            return True
        before = self._text[max(0, found.start() - LOOKED_BACK) : found.start() + 1]
        following = "X"
        if before[-2:-1].isdigit():  # "am 24. Dezember"
            if (word := FOLLOWING.match(self._text + " " * final, found.end())) is not None:
                following = word[1]
            elif not final:
                return False
        if "/" in before.split()[-1]:
            return True  # an address, though it may end like an initial
        if INITIAL.search(before) or segment(self._language, f"{before} {following}")[-1] != following:
            self._searched = found.end() + 1
            return False
        return True


def without_reasoning(text: str) -> str:
    """Return a whole answer without its reasoning. An unclosed reasoning tag is left as it is."""
    shown, at, open_ended = "", 0, set[str]()
    for begin in OPENING.finditer(text):
        name = (begin.group(1) or "").lower()
        if begin.start() < at or not name or name in open_ended:
            continue
        if (end := CLOSING[name].search(text, begin.end())) is None:
            open_ended.add(name)  # no later one is closed either
            continue
        shown, at = shown + text[at : begin.start()], end.end()
    return shown + text[at:]


def clean(text: str) -> str:
    """Return one piece as plain text; "" if nothing in it can be spoken."""
    for pattern, replacement in BEFORE_PARSING:
        text = pattern.sub(replacement, text)
    if MARKUP.search(text):
        text = "".join(_text_of(MARKDOWN.parseInline(text)))
    text = URL.sub(_host, text)
    for pattern, replacement in AFTER_PARSING:
        text = pattern.sub(replacement, text)
    text = " ".join(text.split()).strip(" |").lstrip(",; ")
    text = re.sub(r" ([,.!?;:])", r"\1", text)
    return text if any(c.isalnum() for c in text) else ""


def _text_of(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.children is not None:  # a line or the description of an image
            yield from _text_of(token.children)
        else:
            yield " " if token.type in ("softbreak", "hardbreak", "html_inline") else token.content


def _host(url: re.Match[str]) -> str:
    """The host of an address, which is spoken, with the punctuation after the address."""
    address = url.group()
    return url.group(1).removeprefix("www.") + address[len(address.rstrip(".,!?;:")) :]


def _inside_link(text: str, at: int) -> bool:
    """Whether this is inside a Markdown link that may still be open."""
    opened = text.rfind("[", 0, at)
    if opened < 0 or at - opened > 300 or "\n" in text[opened:at]:
        return False
    return not re.match(r"\[[^\]]*\](?:\([^)]*\)|[^(]|$)", text[opened : at + 1])
