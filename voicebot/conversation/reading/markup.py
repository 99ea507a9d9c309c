"""Names and words of people, as text for what would read them as markup."""

from __future__ import annotations

from html import escape

_AS_SRT = str.maketrans("<>{}", "\u2039\u203a()")


def plain(text: str) -> str:
    """For Plotly, which reads tags such as <b> and <a href=...>, and formulas between dollar signs.

    What people see of it is the text as it is.
    """
    return in_tags(text).replace("$", "&#36;")


def in_tags(text: str) -> str:
    """For WebVTT and HTML, between tags."""
    return escape(text, quote=False)


def in_srt(text: str) -> str:
    """For SubRip, which has tags (<i>, {\\an8}) and no way to write their signs."""
    return text.translate(_AS_SRT)
