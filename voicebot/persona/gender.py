"""Guesses a gender from a name or a description, only to choose a fitting portrait or name."""

from __future__ import annotations

import re
from typing import Literal

Gender = Literal["feminine", "masculine"]

_FEMININE = """
ada agnes alba alice amelia amina amy ana andrea angela anita anna anne aisha bella bertha carla carmen
carol caroline charlotte chloe clara claire daria diana dora edith elena elisa elizabeth ella ellen elsa
emily emma erika esther eva eve fatima fiona flora frida grace greta hanna hannah heidi helen helena ida
ingrid irene iris isabel ivy jane jasmine jenny joan julia kate katherine kira laura layla lena lily
linda lisa lola louise lucy luna lydia maria marie marta mary maya mia mira molly monica nadia nancy
naomi nina nora olga olive olivia paula priya rachel rita rosa rose ruth sara sarah sofia sophia sophie
stella susan sylvia tara thea tina ursula vera victoria wanda xenia yara yuki zelda zoe
"""
_MASCULINE = """
aaron abdul adam ahmed albert alfred ali anders anton antonio arthur ben benjamin bernard boris bruno
carl carlos charles chen christopher dan daniel dario david diego edgar edmund eduardo edward emil eric
ernest felix frank fred frederick gabriel george gustav hans harold harry hassan henry hector hugo ian
igor isaac ivan jack jacob james jasper jean jim joe john jonas jorge jose joseph juan karl kenji kevin
lars leo leon liam louis luca lucas luis magnus marcus mario mark martin matthew max michael miguel
mohammed nestor nicholas oliver omar oscar otto pablo patrick paul pedro peter philip ralph raj richard
robert roman rudolf samuel sean sergei silas simon stefan steven theodore thomas tim tom victor viktor
walter william yorick yusuf
"""
HE = re.compile(r"\b(he|his|him|man|boy|father|grandfather|king|wizard|monk|uncle|brother|mr)\b", re.I)
SHE = re.compile(r"\b(she|her|woman|girl|mother|grandmother|queen|witch|nun|aunt|sister|mrs|ms)\b", re.I)
FEMININE = frozenset(_FEMININE.split())
MASCULINE = frozenset(_MASCULINE.split())


def gender_of(name: str, description: str = "") -> Gender | None:
    """Return the gender that the description names, else the usual one of the first name, else None."""
    he, she = HE.search(description), SHE.search(description)
    if bool(he) != bool(she):
        return "masculine" if he else "feminine"
    first = name.split()[0].casefold() if name.split() else ""
    if first in FEMININE:
        return "feminine"
    return "masculine" if first in MASCULINE else None
