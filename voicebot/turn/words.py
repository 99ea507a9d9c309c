"""A line as words with the punctuation between them, and the words that tell who is spoken to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from voicebot.turn.sounds import fold

WORD = re.compile(
    r"(?:[^\W\d_]|[\u0300-\u036f\u0900-\u0d7f\u0e31-\u0e4e])+"  # letters, and the marks of Indic and Thai ones
    r"(?:['\u2019-][^\W\d_]+)*|\d+"
)
HEAD, TAIL = 200, 600
"""Characters of the beginning and of the end of a long line that are looked at: about 13 s and 40 s of speech."""
STOP, COMMA, QUESTION = ".", ",", "?"


@dataclass(frozen=True)
class Line:
    """`words` are folded; `gaps[i]` stands before word i and `gaps[-1]` at the end.

    A gap is "" or a COMMA, STOP or QUESTION; the first is a STOP, and the last one, too, if nothing else.
    """

    words: tuple[str, ...]
    gaps: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Line:
        if len(text) > HEAD + TAIL:
            text = f"{text[:HEAD].rsplit(' ', 1)[0]}. {text[-TAIL:].split(' ', 1)[-1]}"
        words, gaps, end = [], [], 0
        for found in WORD.finditer(text):
            gaps.append(_gap(text[end : found.start()]) if words else STOP)
            words.append(fold(found[0]).replace("\u2019", "'"))
            end = found.end()
        return cls(tuple(words), (*gaps, _gap(text[end:]) or STOP))

    def begins(self, at: int) -> bool:
        """A sentence begins at this word."""
        return self.gaps[at] in (STOP, QUESTION)

    def ends(self, at: int) -> bool:
        """A sentence ends before this index."""
        return self.gaps[at] in (STOP, QUESTION)

    def before(self, at: int, count: int = 6) -> str:
        """Up to so many words of the same sentence before this one."""
        start = at
        while start > 0 and at - start < count and not self.begins(start):
            start -= 1
        return " ".join(self.words[start:at])

    def after(self, at: int, count: int = 4) -> str:
        """Up to so many words of the same sentence from this index on."""
        end = at
        while end < len(self.words) and end - at < count and not self.ends(end):
            end += 1
        return " ".join(self.words[at:end])


def _gap(between: str) -> str:
    if between == " ":
        return ""
    if re.search(r"[?\uff1f]", between):
        return QUESTION
    if re.search(r"[.!;\u2026\u3002\uff01\n]", between):
        return STOP
    return COMMA if re.search(r"[,:\u3001\uff0c\u2013\u2014]|\s-\s", between) else ""


OPENERS = frozenset(
    "hey hi hello hallo hola bonjour ciao salut okay ok alright so and but or well now oh ah um uh yes yeah no "
    "thanks thank you please dear sorry then also good morning evening afternoon night bye goodbye welcome "
    "listen look excuse me great right sure maybe".split()
)
"""Words before a name that opens a sentence."""
GREETINGS = frozenset(
    "hey hi hello hallo hola bonjour ciao salut thanks okay ok sorry please dear morning evening afternoon night "
    "bye goodbye welcome alright".split()
)
"""Those of them after which nothing but a name is expected."""
ABOUT = frozenset(
    "a an the my your his her our their this that about with from for like than of to by at without was is are were "
    "be been being told tell tells telling say said asked ask asks asking see saw seen know knows knew love loves "
    "liked likes met meet hear heard believe trust call called named name's hate miss missed help helped "
    "thinks because when if while as what where how why did does do let give gave show showed find found remember "
    "it's i'm not only".split()
)
"""Words after which a name is spoken about, not called."""
THIRD = frozenset(
    "is was has had does said told thinks knows would will can could should might must may never always just only "
    "also often already went came thought knew made got gave took saw wrote meant fell are were have did ate left "
    "and's who's isn't wasn't doesn't didn't hasn't won't can't couldn't wouldn't from with".split()
)
"""Words after which the name before them is the subject."""
NOT_A_VERB = frozenset(
    "yes this as us thanks perhaps sometimes always guess what's who's where's how's that's it's here's there's "
    "let's let us his its plus unless need indeed does is was has else yours less".split()
)
AUXILIARY = frozenset(
    "is are was were am do does did have has had can could will would shall should may might must isn't aren't don't "
    "doesn't didn't haven't can't couldn't won't wouldn't shouldn't".split()
)
PRONOUNS = frozenset("i you we he she it they this that there these those your my anyone anybody everyone".split())
QUESTION_WORDS = frozenset(
    "what why how when where who which whose whom what's who's how's where's when's what're how're what'd".split()
)
REQUESTS = frozenset(
    "tell say give explain help listen show make go come stop wait repeat sing read play start begin continue "
    "describe introduce please remind answer try look let don't speak talk guess imagine take hold check turn".split()
)
NOT_NAMES = frozenset(
    "there guys everyone everybody anyone anybody someone again man men today now then too so all people anyway "
    "exactly about here is are was were do does did have has had can could will would shall should may might must "
    "i you we he she it they this that these those my your a an the of to in on at for from with and or but not "
    "yes no yeah okay well please thanks thank sorry idea story thing things one ones way day time guy question "
    "answer place week year great good nice sure right what why how when where who which tell say give explain "
    "help maybe just also because if as more something anything nothing really very still even only dear mate "
    "buddy friend friends folks team sir mom dad much long far often many later tomorrow tonight yesterday stuff "
    "subject matter topic problem plan news game book song movie film picture house them him her us me "
    "person world life hand part child eye woman work case point government company number group fact "
    "school state family country system program water room mother father area money issue side kind head "
    "hour line end law car city name minute kid body back level door health art war history party result "
    "change reason girl boy boys moment air teacher job word month".split()
)
"""Everyday words that are never taken for a misheard name, the most frequent English nouns among them."""
SIGNS = frozenset(
    "uh huh uh-huh mhm mm mm-hmm hm hmm yeah yes yep right ok okay sure aha ah oh wow nice cool great i see haha "
    "hah ha true exactly indeed good no nope well".split()
)
"""Nothing but these, and the line is only a sign of listening."""


def asks(line: Line, at: int) -> bool:
    """From this word on somebody is asked or told to do something."""
    if at >= len(line.words):
        return False
    first = line.words[at]
    second = line.words[at + 1] if at + 1 < len(line.words) and not line.ends(at + 1) else ""
    return first in QUESTION_WORDS or first in REQUESTS or (first in AUXILIARY and second in PRONOUNS)


def is_question(text: str) -> bool:
    """Whether what was said ends in a question, by its mark or, where a recogniser wrote none, by its words."""
    line = Line.of(text[-400:])
    if not line.words:
        return False
    if line.gaps[-1] == QUESTION:
        return True
    start = max(at for at in range(len(line.words)) if line.begins(at))
    while start < len(line.words) - 1 and (line.words[start] in OPENERS or line.gaps[start + 1] == COMMA):
        start += 1
    return asks(line, start) and line.words[start] not in REQUESTS
