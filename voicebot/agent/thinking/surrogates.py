"""Repair text of models that cannot be encoded as UTF-8.

A JSON string, and thus the stream of a language model, may contain half of a surrogate pair: an emoji that
was cut off. Captions, logs and voices cannot take it.
"""

from __future__ import annotations

import codecs


def repair_surrogates(text: str) -> str:
    """Join the two halves of a surrogate pair, and replace a lone half by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class SurrogateRepairer:
    """Repairs a stream of text, whose pieces may end between the two halves, as `repair_surrogates` does."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-16-le")("replace")

    def push(self, piece: str) -> str:
        """Add a piece; returns the text without a half that the next piece may complete."""
        return self._decoder.decode(piece.encode("utf-16-le", "surrogatepass"))

    def finish(self) -> str:
        """End the text; returns the rest."""
        return self._decoder.decode(b"", final=True)
