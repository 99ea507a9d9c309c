"""Repair text of models that cannot be encoded as UTF-8.

A JSON string, and thus the stream of a language model, may contain half of a surrogate pair: an emoji that
was cut off. Captions, logs and voices cannot take it.
"""

from __future__ import annotations

_HIGH = range(0xD800, 0xDC00)


def whole(text: str) -> str:
    """Join the two halves of a surrogate pair, and replace a lone half by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Whole:
    """Does the same for text in pieces, which may end between the two halves."""

    def __init__(self) -> None:
        self._half = ""

    def push(self, piece: str) -> str:
        """Add a piece; returns the text without a half that the next piece may complete."""
        text, self._half = self._half + piece, ""
        if text and ord(text[-1]) in _HIGH:
            text, self._half = text[:-1], text[-1]
        return whole(text)

    def finish(self) -> str:
        """End the text; returns the rest."""
        text, self._half = self._half, ""
        return whole(text)
