"""Sanitise names and speech, so that participants cannot inject anything else into a prompt.

A model gets each utterance as one row after its speaker's name. Before names and speech are remembered, we
remove what could end such a row, hide in it, or pass for another speaker, the room or a mark of a chat
template. Text is judged by its appearance, in any script. What a model makes of the rest is limited by its
instructions, its agent's list of tools and `voicebot.agent.thinking.guard`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

from voicebot.agent.thinking.role_names import is_role
from voicebot.lobby.lookalikes import INVISIBLE, LOOKALIKES

JOINERS = "\u200c\u200d"
"""Invisible, but needed to write Persian, Hindi and others."""
SELECTORS = frozenset(map(chr, range(0xE0100, 0xE01F0)))
"""Variation selectors; a row of these 240 can encode hidden text."""
PARTICIPANT = " (a participant)"
"""Marks a name that a model could take for a role."""
TEMPLATE_TAG = re.compile(r"<(?=[|/!?<A-Za-z_])|[\[\xab](?=\|)")
"""How control marks of chat templates begin: <|im_start|>, </s>, <<SYS>>, <start_of_turn>, [|system|]."""
OPENING = re.compile(r"[\[<\xab](?=([^\]>\xbb]{1,40})[\]>\xbb])")
"""How marks of Mistral's and Llama 2's templates or of the room may begin: [INST], [TOOL_CALLS], [room]."""
MARK = re.compile(r"/?[A-Z][A-Z_]{2,}")
STRUCTURE = frozenset("<>[]{}|:\xab\xbb")
"""Characters that no name contains."""
SIGNS = frozenset(
    "!\"#$%&'()*+,-./;=?@\\^_`~\xa1\xb4\xb7\xbf\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2022\u2026\u221e"
    "\u3001\u3002\u30fb\u055a\u05f3\u05f4\u060c\u061f\u0f0b"
)
"""Punctuation and mathematical symbols that names may contain, besides hyphens."""
QUOTES = frozenset("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f")
SHAPES = {
    ":": "\u05c3\u0589\u1361\u16eb\u16ec\u1803\u1809\u205a\u205e\u2236\u2237\u2806\u2e2c\ua4fd\ufe30",
    "<": "\u02c2\u1438\u16b2\u227a\u22b0\u22b2\U0001d236",
    ">": "\u02c3\u1433\u227b\u22b1\u22b3\U0001d237",
    "|": "\xa6\u01c0\u05c0\u16c1\u2016\u2223\u2225\u2502\u2503\u2551\u23d0\u2758\u2759\u275a\uffe8"
    "\u23b8\u23b9\u3021\u4e28",
}
"""Characters that look like these, though their Unicode names do not say so."""


def as_data(text: str, *, quoted: bool = False) -> str:
    """Return the text on one line, without invisible characters and marks of chat templates or the room.

    Args:
        quoted: The text will stand in a JSON string, in which tags of the room are only words.
    """
    if text.isascii() and text.isprintable() and "<" not in text and "[" not in text:
        return " ".join(text.split())
    shown = list(" ".join(_seen(text).split()))
    drawn = "".join(map(_shape, shown))
    marks = {found.start() for found in TEMPLATE_TAG.finditer(drawn)}
    for found in OPENING.finditer(drawn):
        if found.start() in marks:
            continue
        inner = "".join(shown[found.start(1) : found.end(1)]).strip()
        if MARK.fullmatch(found[1].strip()) or (not quoted and is_role(inner)):
            marks.add(found.start())
    for at in marks:
        shown[at] = "\u2039" if drawn[at] == "<" else "("
    return "".join(shown)


@lru_cache(maxsize=512)
def label(name: str) -> str:
    """A speaker's name as a label before their lines: one line, without colons and brackets."""
    name = " ".join(_seen(name).split())
    fits = (c if _in_names(before, c) else " " for before, c in pairwise(f" {name}"))
    name = " ".join("".join(fits).split())
    called = name.removesuffix(PARTICIPANT)
    return f"{called}{PARTICIPANT}" if is_role(called) else name or "someone"


def _seen(text: str) -> str:
    """The text without invisible characters: controls, tags, selectors that can encode hidden text."""
    shown = [" "]
    for c in text:
        category, before = unicodedata.category(c), shown[-1]
        if c.isspace():
            shown.append(" ")
        elif (c in JOINERS or category[0] == "M") and _shape(before) in STRUCTURE:
            continue  # it would hide a mark from our search
        elif c in JOINERS:
            if not before.isascii() and unicodedata.category(before)[0] in "LMS":
                shown.append(c)
        elif category not in ("Cc", "Cf", "Co", "Cs") and c not in INVISIBLE and c not in SELECTORS:
            shown.append(c)
    return "".join(shown)


@lru_cache(maxsize=4096)
def _shape(character: str) -> str:
    """The ASCII character or letter that it looks like, else itself."""
    plain = unicodedata.normalize("NFKC", character)
    plain = plain if len(plain) == 1 else character
    if plain.isascii() or plain in "\xab\xbb":
        return plain
    for shape, likes in SHAPES.items():
        if plain in likes:
            return shape
    name, category = unicodedata.name(plain, ""), unicodedata.category(plain)
    if "COLON" in name and "SEMICOLON" not in name and category != "Sc":
        return ":"
    if plain in QUOTES:
        return plain
    opens, closes = category in ("Ps", "Pi"), category in ("Pe", "Pf")
    if not closes and any(part in name for part in ("LESS-THAN", "LEFT-POINTING", "LEFT ANGLE BRACKET")):
        return "<"
    if not opens and any(part in name for part in ("GREATER-THAN", "RIGHT-POINTING", "RIGHT ANGLE BRACKET")):
        return ">"
    if opens or closes or "BRACKET" in name:
        return "[" if opens or "LEFT" in name else "]"
    letter = chr(LOOKALIKES.get(ord(plain), ord(plain)))
    return letter.upper() if plain.isupper() else letter


def _in_names(before: str, character: str) -> bool:
    """Whether a name may contain this character after `before`."""
    name = unicodedata.name(character, "")
    if "VISARGA" in name:  # looks like a colon, except within its own script
        return unicodedata.name(before, "").split(" ")[0] == name.split(" ")[0]
    return all(_is_of_names(c) for c in unicodedata.normalize("NFKC", character) + character)


@lru_cache(maxsize=4096)
def _is_of_names(character: str) -> bool:
    if _shape(character) in STRUCTURE:
        return False
    return (
        unicodedata.category(character)[0] not in "PS"
        or character in SIGNS
        or unicodedata.category(character) in ("Pd", "Pc", "Sc", "So", "Sk")
    )
