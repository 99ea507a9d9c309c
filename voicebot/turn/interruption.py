"""Tell barge-in from backchannel in what a person says over an agent. Pure: text in, kind out.

People say "uh-huh" to show that they are listening; they laugh and cough. None of it asks an agent to stop.
Words do.
"""

from __future__ import annotations

import re
from enum import Enum

LONGEST_BACKCHANNEL = 4
"""The most words of a backchannel, such as "oh yeah, I see". A longer chain of such words says something."""
SIGNS = [
    "uh", "uhhuh", "uh huh", "huh", "um", "hm", "hmm", "mhm", "mm", "mmm", "mm hm", "mm hmm", "mmhmm",
    "yeah", "yes", "yep", "yup", "right", "ok", "okay", "sure", "aha", "ah", "oh", "wow", "nice", "cool",
    "great", "good", "exactly", "true", "really", "indeed", "absolutely", "totally", "alright", "all right",
    "i see", "i know", "got it", "i got it", "gotcha", "of course", "all good", "so good", "so true",
    "so nice", "so cool", "that's right", "that's true", "that's good", "that's great", "fair enough",
    "oh no", "ha", "hah", "heh", "oh my", "oh dear", "my goodness", "interesting", "amazing", "lovely",
    "funny", "wonderful", "ja", "jaja", "genau", "stimmt", "klar", "ach", "ach so", "achso", "oui", "ouais",
    "voila", "d'accord", "sí", "si", "claro", "vale", "già", "certo", "ecco",
]  # fmt: skip
"""Switchboard's commonest backchannels (Jurafsky et al. 1997) as recognisers write them, and others'."""
LAUGHTER = re.compile(r"(?:[bm]?u?a?(?:ha|he|hi|ho|ah|eh){2,}h?|lol|laughter|laughs|laughing|chuckles?)")
NOISE = re.compile(r"[\[(<*][^\])>*]{0,80}[\])>*]|\+\+[a-z]+\+\+")
"""How recognisers write sounds that are not speech: [laughter], (coughs), <noise>, *sighs*, ++uh++."""
WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def _any_of(choices: list[str]) -> str:
    return "(?:" + "|".join(re.escape(choice) for choice in sorted(choices, key=len, reverse=True)) + ")"


_SIGN = _any_of(SIGNS)
# an interim transcript may end inside one: "I" may become "I see"
_BEGUN = _any_of([" ".join(sign.split()[:n]) for sign in SIGNS for n in range(1, len(sign.split()))])
ONLY_SIGNS = re.compile(rf"{_SIGN}(?: {_SIGN})*(?: {_BEGUN})?|{_BEGUN}")


class OverlapKind(Enum):
    """What somebody's words over an agent are, so far."""

    INTERRUPTION = "words that want an answer"
    BACKCHANNEL = "a sign of listening"
    NOTHING = "no word was understood"


def classify_overlap(text: str) -> OverlapKind:
    """Classify words spoken while an agent speaks; `text` may be an interim transcript."""
    plain = NOISE.sub(" ", text.casefold().replace("\u2019", "'"))
    words = [word for word in WORD.findall(plain) if not LAUGHTER.fullmatch(word)]
    if not words:
        return OverlapKind.BACKCHANNEL if text.strip() else OverlapKind.NOTHING
    only_signs = len(words) <= LONGEST_BACKCHANNEL and ONLY_SIGNS.fullmatch(" ".join(words))
    return OverlapKind.BACKCHANNEL if only_signs else OverlapKind.INTERRUPTION
