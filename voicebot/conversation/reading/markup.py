"""Escapes names and words of people for formats that would read them as markup."""

from __future__ import annotations

from html import escape

_AS_SRT = str.maketrans("<>{}", "\u2039\u203a()")


def plain(text: str) -> str:
    """Escape text for Plotly, so that people see it as it is.

    Plotly reads tags such as <b> and <a href=...>, and formulas between dollar signs.
    """
    return in_tags(text).replace("$", "&#36;")


def in_tags(text: str) -> str:
    """Escape text between the tags of WebVTT or HTML."""
    return escape(text, quote=False)


def in_srt(text: str) -> str:
    """Replace the signs of SubRip's tags (<i>, {\\an8}), which the format cannot escape."""
    return text.translate(_AS_SRT)
