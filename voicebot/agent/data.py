"""Names and speech as data: what participants bring into a prompt cannot look like anything else in it.

A model gets one row for each thing that was said, behind its speaker's name. What could end such a row, hide
in it or pass for another speaker, for the room or for the marks of a chat template is taken out of names and
speech before they are remembered. What a model makes of the words that remain is for its instructions,
for the list of its agent's tools and for `voicebot.agent.guard` to bound.
"""

from __future__ import annotations

import re
import unicodedata

JOINERS = "\u200c\u200d"
"""Invisible, and a part of how Persian, Hindi and others are written."""
ROLES = {
    "system", "developer", "assistant", "user", "tool", "function", "human", "ai", "model", "instruction",
    "instructions", "admin", "administrator", "moderator", "root", "openai", "room",
}  # fmt: skip
"""Names that a model could take for more than a participant's."""
LOOKALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458\u0501\u04bb\u04cf\u043c\u0442\u043d\u043a\u0432"
    "\u03b1\u03b5\u03bf\u03c1\u03c4\u03c5\u03b9\u03bd\u03ba\u0131",
    "aeopcyxisjdhlmthkbaeoptuivki",
)
"""Cyrillic and Greek letters, and the dotless i, that are drawn like Latin ones."""
TEMPLATE_TAG = re.compile(r"<(?=[|\uff5c/!?<A-Za-z_])")
"""How the control marks of chat templates begin: <|im_start|>, </s>, <<SYS>>, <start_of_turn>."""
TEMPLATE_BRACKET = re.compile(r"\[(?=/?[A-Z][A-Z_]{2,}\])")
"""And those of Mistral and Llama 2: [INST], [TOOL_CALLS]."""


def as_data(text: str) -> str:
    """One line of words: no line breaks, no invisible characters, no marks of chat templates."""
    if text.isascii() and text.isprintable() and "<" not in text and "[" not in text:
        return " ".join(text.split())
    text = " ".join("".join(filter(_is_seen, text)).split())
    return TEMPLATE_BRACKET.sub("(", TEMPLATE_TAG.sub("\u2039", text))


def label(name: str) -> str:
    """A speaker's name as it stands before their lines: one line, without colons and brackets."""
    name = " ".join(re.sub(r"[:\uff1a\ufe55\ua789\u2236\[\]]", "", as_data(name)).split())
    letters = unicodedata.normalize("NFKD", name).casefold().translate(LOOKALIKES)
    if "".join(filter(str.isalpha, letters)) in ROLES:
        return f"{name} (a participant)"
    return name or "someone"


def _is_seen(character: str) -> bool:
    """False for what is there for programs only: controls, tags, selectors that can spell hidden text."""
    if character.isspace():
        return True
    if character in JOINERS:
        return True
    if 0xE0100 <= ord(character) <= 0xE01EF:
        return False
    return unicodedata.category(character) not in ("Cc", "Cf", "Co", "Cs")
