"""Names that people type, made fit to show: no invisible or direction-changing characters."""

from __future__ import annotations

import unicodedata

from voicebot.errors import SignalingError

MAX_GRAPHEMES = 40
_ZWJ = "\u200d"
_REGIONAL = range(0x1F1E6, 0x1F200)
_SKIN_TONES = range(0x1F3FB, 0x1F400)


def clean_name(raw: str) -> str:
    """NFC, one line, no control, bidi or other format characters, at most 40 graphemes.

    Raises:
        SignalingError: `bad_name`, when nothing visible is left.
    """
    kept: list[str] = []
    for char in unicodedata.normalize("NFC", raw):
        if char.isspace():
            kept.append(" ")
        elif char == _ZWJ or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}:
            kept.append(char)
    name = "".join(graphemes(" ".join("".join(kept).split()))[:MAX_GRAPHEMES]).strip(f" {_ZWJ}")
    if not any(unicodedata.category(char)[0] in "LNPS" for char in name):
        raise SignalingError(
            "This name has no visible character.", hint="Choose a name of letters.", code="bad_name"
        )
    return name


def graphemes(text: str) -> list[str]:
    """What a reader counts as characters, near enough to UAX #29 for a length limit.

    Marks, joiners, variation selectors and skin tones stay with what they follow, flags
    are pairs; Hangul needs no rule because the text is NFC.
    """
    found: list[str] = []
    for char in text:
        last = found[-1] if found else ""
        joined = last.endswith(_ZWJ) or char == _ZWJ
        extends = unicodedata.category(char) in {"Mn", "Me", "Mc"} or ord(char) in _SKIN_TONES
        flag = ord(char) in _REGIONAL and len(last) == 1 and ord(last) in _REGIONAL
        if last and (joined or extends or flag):
            found[-1] = last + char
        else:
            found.append(char)
    return found
