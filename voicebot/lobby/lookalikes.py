"""Characters that look alike, to detect names that imitate another and text that imitates the room.

Follows UTS #39 (Unicode Security Mechanisms): text is normalised before it is judged.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Invisible characters whose category is that of letters, marks or symbols."""
_LETTERS = {
    "a": "\u0251\u0391\u03b1\u0410\u0430\u13aa\u15c5\ua4ee\U000102a0\U00016f40",
    "b": "\u0184\u0185\u0392\u03b2\u0412\u042c\u0432\u044c\u13cf\u13f4\u1472\u15af\u15f7\ua4d0"
    "\ua7b4\ua7b5\U00010282\U000102a1\U00010301",
    "c": "\u03f2\u0421\u0441\u13df\u2ca4\u2ca5\ua4da\uabaf\U000102a2\U00010302\U00010415\U0001043d"
    "\U0001051c",
    "d": "\u0501\u13a0\u13e7\u146f\u15de\u15ea\ua4d2\ua4d3",
    "e": "\u0395\u03b5\u0415\u0435\u0454\u04bd\u13ac\u2d39\ua4f0\uab32\U00010286\U000118a6"
    "\U000118ae\U000118c6\U000118ce",
    "f": "\u03dc\u03dd\u0584\u15b4\u1e9d\ua4dd\uab35\U00010287\U000102a5\U00010525\U000118a2"
    "\U000118c2",
    "g": "\u018d\u0261\u050c\u050d\u0581\u13c0\u13f3\ua4d6",
    "h": "\u0397\u041d\u043d\u04bb\u0570\u13bb\u13c2\u157c\u2c8e\u2c8f\ua4e7\U000102cf",
    "i": "\u0131\u01c0\u0269\u03b9\u0456\u04cf\u13a5\ua647\uab75\U000118c3",
    "j": "\u037f\u03f3\u0408\u0458\u13ab\u148d\ua4d9",
    "k": "\u039a\u03ba\u041a\u043a\u13e6\u16d5\u2c94\u2c95\ua4d7\U00010518",
    "l": "\u0196\u0399\u0406\u04c0\u13de\u14aa\u16c1\u2c92\u2c93\u2cd0\u2cd1\u2d4f\ua4e1\ua4f2"
    "\U0001028a\U00010309\U0001041b\U00010443\U00010526\U000118a3\U000118b2\U000118d2"
    "\U00016f16\U00016f28",
    "m": "\u039c\u03bc\u03fa\u03fb\u041c\u043c\u13b7\u15f0\u16d6\u2c98\u2c99\ua4df\U000102b0"
    "\U00010311",
    "n": "\u039d\u03b7\u0578\u057c\u2c9a\u2c9b\ua4e0\U00010513",
    "o": "\u039f\u03bf\u041e\u043e\u0555\u0585\u0b20\u0d20\u101d\u10ff\u12d0\u1d11\u2c9e\u2c9f"
    "\u2d54\ua4f3\uab3d\U00010292\U000102ab\U00010404\U0001042c\U000104c2\U000104ea\U00010516"
    "\U000118b5\U000118c8\U000118d5\U000118d7",
    "p": "\u03a1\u03c1\u0420\u0440\u13e2\u146d\u2ca2\u2ca3\ua4d1\U00010295",
    "q": "\u051b\u0563\u0566\u2d55",
    "r": "\u01a6\u042f\u0433\u044f\u13a1\u13b1\u13d2\u1587\u1d26\u2c85\ua4e3\uab47\uab48\uab81"
    "\U000104b4\U000104dc\U00016f35",
    "s": "\u01bd\u03c2\u03c3\u0405\u0455\u054f\u057f\u13d5\u13da\ua4e2\uabaa\U00010296\U00010420"
    "\U00010448\U000118c1\U00016f3a",
    "t": "\u03a4\u03c4\u0422\u0442\u13a2\u2ca6\u2ca7\ua4d4\U00010297\U000102b1\U00010315\U000118bc"
    "\U00016f0a",
    "u": "\u03c5\u0446\u054d\u057d\u1200\u144c\ua4f4\ua79f\U000104ce\U000104f6\U000118b8\U000118d8"
    "\U00016f42",
    "v": "\u03bd\u0474\u0475\u13d9\u142f\u2d38\ua4e6\ua6df\uaba9\U0001051d\U00011706\U000118a0"
    "\U000118c0\U00016f08",
    "w": "\u026f\u03c9\u0448\u0461\u051c\u051d\u0561\u13b3\u13d4\ua4ea\uab83\U0001170a\U0001170e"
    "\U0001170f",
    "x": "\u03a7\u03c7\u0425\u0445\u1541\u157d\u16b7\u2cac\u2cad\u2d5d\ua4eb\ua7b3\uab53\U00010290"
    "\U000102b4\U00010317\U00010527",
    "y": "\u0263\u03a5\u03b3\u0423\u0443\u04ae\u04af\u10e7\u13a9\u13bd\u2ca8\u2ca9\ua4ec\U000102b2"
    "\U000118a4\U000118dc\U00016f43",
    "z": "\u0396\u03b6\u13c3\ua4dc\uab93\U000118a9\U000118c4\U000118c9",
}  # fmt: skip
LOOKALIKES = str.maketrans(
    "".join(_LETTERS.values()), "".join(letter * len(likes) for letter, likes in _LETTERS.items())
)
"""Letters of other scripts that look like Latin ones, from Unicode's confusables.txt."""
_ONE_SHAPE = str.maketrans("i1|!0$5", "lllloss")
_LEET = str.maketrans("347@8\u20ac", "eatabe")
_LATIN = re.compile(
    r"(?:LATIN (?:SMALL |CAPITAL )?LETTER (?:SMALL CAPITAL |SCRIPT |SIDEWAYS |BLACKLETTER )?"
    r"|NEGATIVE (?:SQUARED|CIRCLED) LATIN CAPITAL LETTER |REGIONAL INDICATOR SYMBOL LETTER )"
    r"([A-Z])(?: WITH .+)?"
)
"""Unicode names of Latin letters without a decomposition: with strokes, as small capitals, in boxes."""


def skeleton(name: str) -> str:
    """A key that is equal for names that look alike: no case, marks or spaces, one letter per shape."""
    return _skeleton(name.casefold())


def shapes(name: str) -> frozenset[str]:
    """All skeletons of a name, because a capital may look like another letter than its lower case."""
    return frozenset({skeleton(name), _skeleton(_decomposed(name).translate(LOOKALIKES))})


def words_spelled(name: str) -> frozenset[str]:
    """Like `shapes`, and with digits and signs read as letters ("5y5t3m")."""
    found = shapes(name)
    return found | {shape.translate(_LEET) for shape in found}


def _skeleton(text: str) -> str:
    bare = plain = _decomposed(_decomposed(text).casefold())
    if not (plain.isascii() and plain.isalnum()):
        seen = (c for c in plain if c not in INVISIBLE and unicodedata.category(c)[0] not in "MZC")
        bare = "".join(map(latin, seen))
    return bare.translate(LOOKALIKES).translate(_ONE_SHAPE).replace("rn", "m").replace("vv", "w")


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFKD", text)


@lru_cache(maxsize=4096)
def latin(character: str) -> str:
    """The plain letter for a Latin one with strokes, in a box or as a small capital; others unchanged."""
    if character.isascii():
        return character
    found = _LATIN.fullmatch(unicodedata.name(character, ""))
    return found[1].lower() if found else character
