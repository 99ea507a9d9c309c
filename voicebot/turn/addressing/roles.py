"""Agents addressed by their role: "ask the doctor", "captain, how deep is it?"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from voicebot.turn.addressing.context import Participant
from voicebot.turn.addressing.mentions import COMPLETE, MOST, opens
from voicebot.turn.vocabulary import AFTER_NOUN, GREETINGS, NO_SUBJECT
from voicebot.turn.words import COMMA, Tokens, asks

_ASKED = re.compile(
    r"\b((ask|asking|let|hear from|question (for|to)|goes to|over to|"
    r"(like|want|need)( to)? (talk|speak) (to|with)|"
    r"maybe|perhaps|(what|how|where) (does|would|will|is)|let's hear from) (the|our|a|an)|"
    r"(is|isn't) there (a|an|any)|(i|we) need (a|an|the)|any)( \w+){0,2}$"
)
_ASKED_FIRST = re.compile(r"^(\w+ )?(does|do|can|could|would|will|should|has|is|shall) (the|our)( \w+)?$")
_TO_ANSWER = re.compile(r"^(should|may|can|could|must) (answer|say|tell|speak|explain|take)\b")
LONGEST_ROLE = 400
"""Letters of a persona's description that are searched for its role; the beginning names it."""


@lru_cache(maxsize=512)
def role_noun(role: str) -> str:
    """Return the role in one word: "a grumpy lighthouse keeper" gives "keeper"; "" if there is none."""
    line = Tokens.of(role[:LONGEST_ROLE])
    for at, word in enumerate(line.words[:-1]):
        if word not in {"a", "an", "the"}:
            continue
        end = at + 1
        while end < len(line.words) and not line.gaps[end] and line.words[end] not in AFTER_NOUN:
            end += 1
        return line.words[end - 1] if end > at + 1 else ""
    return ""


def asked_by_role(line: Tokens, agents: Sequence[Participant]) -> Participant | None:
    """The only agent whose role is called or asked for; "my doctor" alone does not count."""
    by_noun: dict[str, list[Participant]] = {}
    for agent in agents:
        if word := role_noun(agent.role):
            by_noun.setdefault(word, []).append(agent)
    places = [at for at, word in enumerate(line.words) if len(by_noun.get(word, ())) == 1]
    asked = next((at for at in places[-MOST:] if _is_asked(line, at)), None)
    return by_noun[line.words[asked]][0] if asked is not None else None


def _is_asked(line: Tokens, at: int) -> bool:
    before, end = line.before(at), at + 1
    to_answer = re.search(r"\bthe( \w+)?$", before) and _TO_ANSWER.match(line.after(end))
    if to_answer or _ASKED.search(before) or _ASKED_FIRST.match(before):
        return True
    previous = before.rsplit(" ", 1)[-1]
    if line.ends(end):
        called = previous in {"you", "there", "me", "it"} or COMPLETE.search(before) is not None
        return called or opens(line, at) or line.gaps[at] == COMMA
    return opens(line, at) and (asks(line, end) or line.gaps[end] == COMMA or previous in GREETINGS)


def closest_subject(line: Tokens, agents: Sequence[Participant]) -> Participant | None:
    """The one agent whose description shares the most words with the line, if there is a single best."""
    said = {_stem(word) for word in line.words if len(word) > 4}
    scored = [(len(said & _subjects(agent.role)), agent) for agent in agents]
    most = max((score for score, _ in scored), default=0)
    best = [agent for score, agent in scored if score == most]
    return best[0] if most > 0 and len(best) == 1 else None


@lru_cache(maxsize=512)
def _subjects(role: str) -> frozenset[str]:
    return frozenset(
        _stem(word) for word in Tokens.of(role).words if len(word) > 4 and word not in NO_SUBJECT
    )


def _stem(word: str) -> str:
    """A crude stem, so that "medicine" and "medical" are one subject."""
    return word[:5] if len(word) > 6 else word.rstrip("s")
