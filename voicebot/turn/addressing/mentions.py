"""Find participants' names in a line, and tell whether each is called or only mentioned."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from voicebot.turn.addressing.context import Participant
from voicebot.turn.sounds import first_sound, fold, name_similarity, phonetic_similarity
from voicebot.turn.vocabulary import (
    ABOUT,
    AUXILIARY,
    EVERYDAY,
    GREETINGS,
    NOT_A_VERB,
    OPENERS,
    PREPOSITIONS,
    PRONOUNS,
    QUESTION_WORDS,
    REQUESTS,
    THIRD,
)
from voicebot.turn.words import COMMA, WORD, Tokens, asks

MISHEARD = 0.7
"""Similarity at which a word counts as a name where a name is expected.

On the tests' corpus, 0.6 takes four times as many everyday words for names, and 0.8 loses a twentieth of the
misheard names that can be guessed at all."""
SURE = 0.88
"""Similarity at which a word counts as a name where other words fit, too ("either you come or I go")."""
ASKING = QUESTION_WORDS | AUXILIARY | REQUESTS
MOST = 32
"""At most this many names, and places for a name, are examined in a line; the last ones count."""
CLEAR = 0.06
"""A misheard name must be this much closer to one participant's name than to any other."""

INVITED = re.compile(
    r"\b(questions?( is| goes)? (for|to)|(this|that|next)( one)?( is| goes)? (for|to)|hear(d)? (from|what)|"
    r"over to|(want|like|need|let me|can i|may i)( to)? (talk|speak) (to|with)|(want|like)( to)? ask|"
    r"let me ask|"
    r"(what|how) about|same( question)? (to|for)|let|let's let|what (does|would|might))$"
)
"""What precedes the name of an agent that is invited to speak without being called."""
MEANT = re.compile(r"\b(i('m| am| was) ((talking|speaking) (to|with)|asking)|i (mean|meant))$")
INVITED_AFTER = re.compile(r"^(your turn|next\b|first\b|you first|too$|as well$|(the )?same question)")
TO_SPEAK = re.compile(
    r"^(think|say|speak|talk|answer|finish|explain|suggest|do|know|recommend|want|go|try)\b"
)
COMPLETE = re.compile(
    r"\b(do you think( (about|of) (that|this|it))?|(what|how) about you|and you|are you( still)? there|"
    r"thank you|"
    r"thanks|can you hear me|do you agree|how are you|over to you|do you say( to that)?|your opinion|"
    r"do you (like|want|know|mean|see) (that|this|it))$"
)
"""Complete questions: a further word after them is a name."""


@dataclass(frozen=True)
class Mention:
    """A name in a line: the words in [at, end)."""

    who: Participant
    at: int
    end: int
    score: float
    """Confidence in the name, 0 to 1."""
    called: bool = False
    """Addressed or invited to speak, rather than mentioned."""
    instead: bool = False
    """An alternative to the name before it ("Ada or Bruno")."""


def mentions(line: Tokens, present: Sequence[Participant], *, misheard: bool = True) -> list[Mention]:
    """The names of `present` in `line`, in word order.

    If no name is called and `misheard` is set, a word that sounds somewhat like a name is taken for it where
    only a name is expected.
    """
    found = _found(line, present)
    judged: list[Mention] = []
    for group in _groups(line, found):
        called = _called(line, group)
        if not called and all(m.end == after.at for m, after in pairwise(group)):
            # not a list: "Ada, Tom wants to know ..."
            judged += [replace(m, called=_called(line, [m])) for m in group]
            continue
        either = line.words[group[-1].at - 1] == "or" and len(group) > 1
        judged += [replace(m, called=called, instead=either and m is not group[0]) for m in group]
    judged = _without_thanked(line, judged)
    if misheard and not any(m.called for m in judged):
        taken = {at for m in judged for at in range(m.at, m.end)}
        if (guess := _misheard(line, present, taken)) is not None:
            judged.append(guess)
    return judged


def _without_thanked(line: Tokens, judged: list[Mention]) -> list[Mention]:
    """In "Thank you, Ada. Bruno, your turn" only Bruno is called."""
    thanked = [m for m in judged if m.called and line.before(m.at).endswith(("thanks", "thank you", "bye"))]
    if any(m.called for m in judged if m not in thanked):
        return [replace(m, called=False) if m in thanked else m for m in judged]
    return judged


def _found(line: Tokens, present: Sequence[Participant]) -> list[Mention]:
    """Names that are certainly in the line; the best one where several fit the same words."""
    runs: dict[int, dict[str, dict[str, list[int]]]] = {}
    candidates: list[Mention] = []
    for who in present:
        for name, weight in _names(who):
            span = name.count(" ") + 1
            start = first_sound(name[:3])
            for size in {1, span, 2} if len(name) > 4 else {1, span}:
                if size not in runs:
                    runs[size] = _runs(line, size)
                for spoken, places in runs[size].get(start, {}).items():
                    # the recogniser may have split one name into several words
                    score = name_similarity(name, spoken if size == span else spoken.replace(" ", ""))
                    if score:
                        candidates += [
                            Mention(who, at, at + size, score * weight)
                            for at in places[-MOST:]
                            if not _is_a_word(line, at, size)
                        ]
    candidates.sort(key=lambda m: (-m.score, m.at - m.end, not m.who.is_agent))
    taken: set[int] = set()
    best: list[Mention] = []
    for m in candidates:
        if taken.isdisjoint(range(m.at, m.end)):
            taken.update(range(m.at, m.end))
            best.append(m)
    return sorted(best, key=lambda m: m.at)[-MOST:]


def _runs(line: Tokens, size: int) -> dict[str, dict[str, list[int]]]:
    """Every run of `size` words by its first sound, with the places where it stands."""
    runs: dict[str, dict[str, list[int]]] = {}
    words = [word.removesuffix("'s") for word in line.words]
    for at in range(len(words) - size + 1):
        run = words[at] if size == 1 else " ".join(words[at : at + size])
        start = first_sound(run.replace(" ", "")[:3])
        runs.setdefault(start, {}).setdefault(run, []).append(at)
    return runs


def _is_a_word(line: Tokens, at: int, size: int) -> bool:
    """Whether this is an everyday word, not a name: "will you come?" does not call Will, "hey Will" does."""
    if size > 1 or line.words[at] not in EVERYDAY:
        return False
    greeted = at > 0 and not line.begins(at) and line.words[at - 1] in GREETINGS
    return not (greeted or line.gaps[at] == COMMA or line.gaps[at + 1] == COMMA)


def _names(who: Participant) -> Iterator[tuple[str, float]]:
    """The whole name, and each part that identifies it: "Grace Hopper" is Grace, but "Ada 2" is not Ada."""
    parts = [fold(part) for part in WORD.findall(who.name)]
    if not parts:
        return
    yield " ".join(parts), 1.0
    if len(parts) > 1 and not any(part.isdigit() for part in parts):
        if not who.is_agent:
            yield parts[0], 0.95
        else:
            for part in parts:
                if len(part) >= 3 and part not in EVERYDAY and part not in {"old", "young", "little", "big"}:
                    yield part, 0.9


def _groups(line: Tokens, found: Sequence[Mention]) -> list[list[Mention]]:
    """Group names in a row, which are called or mentioned together: "Ada, Bruno and Mira"."""
    groups: list[list[Mention]] = []
    for m in found:
        if groups and not any(line.ends(at) for at in range(groups[-1][-1].end, m.at + 1)):
            between = line.words[groups[-1][-1].end : m.at]
            if between in ((), ("and",), ("or",)):
                groups[-1].append(m)
                continue
        groups.append([m])
    return groups


def _called(line: Tokens, group: Sequence[Mention]) -> bool:
    """Whether these names are called rather than mentioned."""
    at, end = group[0].at, group[-1].end
    words, before, after = line.words, line.before(at), line.after(end)
    if before.endswith("not you"):
        return False  # "not you, Otto, I meant Iris"
    if MEANT.search(before):
        return True
    if (invited := INVITED.search(before)) is not None and group[0].who.is_agent:
        open_ended = invited.group().endswith(("does", "would", "might", "let"))
        return not open_ended or TO_SPEAK.match(after) is not None
    if words[end - 1].endswith("'s"):
        return after.startswith("turn")
    starts = opens(line, at)
    if starts and INVITED_AFTER.match(after):
        return True
    comma_before, comma_after = line.gaps[at] == COMMA, line.gaps[end] == COMMA
    if comma_after and (starts or comma_before):
        return not after.startswith(("and i ", "and me "))
    previous = before.rsplit(" ", 1)[-1]
    if line.ends(end) or after in {"please", "thanks", "too", "now", "then", "right", "okay", "today"}:
        return starts or comma_before or previous not in ABOUT or COMPLETE.search(before) is not None
    if starts:
        return not _is_subject(after.split(), several=len(group) > 1)
    asked = asks(line, end) or (previous == "you" and line.words[end] in PRONOUNS)
    return previous not in ABOUT - {"when"} and (previous in GREETINGS or asked)


def opens(line: Tokens, at: int) -> bool:
    """Whether only greetings and the like precede this word in its sentence."""
    for _ in range(5):
        if line.begins(at):
            return True
        at -= 1
        if line.words[at] not in OPENERS:
            return False
    return False


def _is_subject(after: Sequence[str], *, several: bool) -> bool:
    """Whether the name before these words is the subject of the sentence ("Ada said ...")."""
    first, second = after[0], after[1] if len(after) > 1 else ""
    if first == "and" and second in {"i", "me"}:
        return True
    if first in AUXILIARY and second in PRONOUNS - {"everyone", "anyone", "anybody", "my", "your", "the"}:
        return False  # "Ada is that true"
    if first in {"do", "don't", "have"} and not several:
        return False
    if first in THIRD:
        return True
    if first in NOT_A_VERB or len(first) < 4 or "'" in first:
        return False
    return (first.endswith("s") and not first.endswith("ss")) or first.endswith("ed")


def _misheard(line: Tokens, present: Sequence[Participant], taken: Collection[int]) -> Mention | None:
    """A word in a name's place that sounds somewhat like exactly one participant's name."""
    best: Mention | None = None
    for at, size, least in list(_slots(line))[-MOST:]:
        spoken = " ".join(line.words[at : at + size])
        least = _least(line.words[at : at + size], least)
        if at in taken or at + size - 1 in taken or least > 1:
            continue
        scores = sorted(
            ((max(phonetic_similarity(name, spoken) for name, _ in _names(who)), i)
             for i, who in enumerate(present) if WORD.search(who.name)),
            reverse=True,
        )  # fmt: skip
        if not scores or scores[0][0] < least:
            continue
        if len(scores) > 1 and scores[0][0] - scores[1][0] < CLEAR:
            continue
        score, i = scores[0]
        if best is None or score > best.score:
            best = Mention(present[i], at, at + size, score, called=True)
    return best


def _least(run: Sequence[str], expected: float) -> float:
    """The least similarity at which these words count as a name; above 1 if they never do."""
    if len(run) > 1:  # everyday words may be a name that was split, but then they sound like it
        nothing = run[0] in ASKING | PREPOSITIONS or run[1] in ASKING | PRONOUNS
        return 2.0 if nothing else SURE if not EVERYDAY.isdisjoint(run) else expected
    if run[0] in EVERYDAY or len(run[0]) < 3:
        return 2.0
    return SURE if len(run[0]) > 5 and run[0].endswith(("ly", "ing")) else expected


def _slots(line: Tokens) -> Iterator[tuple[int, int, float]]:
    """Places where only a name is expected: first word, number of words, least similarity."""
    count = len(line.words)
    for at in range(count):
        first = opens(line, at)
        ends = line.ends(at + 1) or (at + 2 <= count and line.ends(at + 2))
        complete = ends and (line.gaps[at] == COMMA or COMPLETE.search(line.before(at)) is not None)
        greeted = at > 0 and line.words[at - 1] in GREETINGS and not line.begins(at)
        if not first and not complete:
            continue
        for end in range(at + 1, min(at + 2, count) + 1):
            if any(line.gaps[at + 1 : end]):
                continue
            if line.ends(end):
                if complete or (first and greeted):
                    # "what do you think about that" may continue with a noun
                    noun = at > 0 and not line.gaps[at] and line.words[at - 1] in {"that", "this"}
                    yield at, end - at, SURE if noun else MISHEARD
            elif first and line.words[end] != "please" and (line.gaps[end] == COMMA or asks(line, end)):
                yield at, end - at, MISHEARD
            elif first and line.words[end] in PRONOUNS:
                yield at, end - at, SURE
