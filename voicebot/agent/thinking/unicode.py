"""Text of models, made into text that can be written down.

A JSON string, and so what a language model streams, may hold half of a surrogate pair: a cut-off
emoji. UTF-8 cannot, and with it no caption, no log and no voice.
"""

from __future__ import annotations

_HIGH = range(0xD800, 0xDC00)


def whole(text: str) -> str:
    """Two halves that belong together are one character, any other half is U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Whole:
    """The same for text that comes in pieces, which may end between the two halves."""

    def __init__(self) -> None:
        self._half = ""

    def push(self, piece: str) -> str:
        """What is surely whole so far."""
        text, self._half = self._half + piece, ""
        if text and ord(text[-1]) in _HIGH:
            text, self._half = text[:-1], text[-1]
        return whole(text)

    def finish(self) -> str:
        """The rest."""
        text, self._half = self._half, ""
        return whole(text)
