"""Who is meant by what was said? Pure: text and context in, addressees with a reason out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

DIALOGUE_S = 30.0
"""A dialogue is running if the agent last spoke with this person at most so many seconds ago."""
SAME_SOUND = 0.95
"""Similarity of another spelling of the same sound (1 is equal)."""
FUZZY = 0.85
"""Similarity from which a word that a recogniser wrote counts as a long name."""
LONG = 7
"""Letters from which a name is long: everyday words are one letter off shorter ones ("wanna", Wanda)."""

TO_ALL = re.compile(
    r"\b(every(one|body)|all of you|you all|you both|both of you|any(one|body)( of you)?|who of you|"
    r"which of you|what do you( guys| all)? think, (all|everyone))\b",
    re.I,
)
WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*|\d+")
ABOUT = {
    "told",
    "tell",
    "about",
    "with",
    "said",
    "asked",
    "from",
    "for",
    "and",
    "like",
    "than",
    "of",
    "to",
    "was",
}
CALLS = {
    "hey",
    "hi",
    "hello",
    "okay",
    "ok",
    "so",
    "and",
    "thanks",
    "thank",
    "you",
    "well",
    "please",
    "dear",
    "now",
}


@dataclass(frozen=True)
class Present:
    """Somebody in the lobby."""

    id: str
    name: str
    is_agent: bool
    role: str = ""
    """An agent's character, for addressing by role ("ask the doctor")."""
    muted: bool = False
    """An agent that says nothing: only meant where it is called by name, and then in vain."""


@dataclass(frozen=True)
class Scene:
    """What addressing looks at besides the words."""

    speaker_id: str
    present: Sequence[Present]
    partner_id: str | None = None
    """The agent that last spoke with this speaker."""
    partner_s: float = float("inf")
    """Seconds since then."""
    last_spoke: Sequence[str] = ()
    """Agents, the one who spoke last at the end."""


@dataclass(frozen=True)
class Addressees:
    """Agents who should answer, in this order; empty: nobody (people among themselves)."""

    ids: tuple[str, ...]
    confidence: float
    reason: str


def addressees(text: str, scene: Scene) -> Addressees:
    """Decide whom `text` is for: by name, then to all, then the running dialogue, then whoever is free.

    A single agent in the lobby is always meant by a person. An agent's words are for another
    agent only if it calls it by name with a question.
    """
    speaker = next((p for p in scene.present if p.id == scene.speaker_id), None)
    agents = [p for p in scene.present if p.is_agent and p.id != scene.speaker_id]
    if not agents:
        return Addressees((), 1.0, "no agent is here")
    if speaker is not None and speaker.is_agent:
        return _by_agent(text, agents)
    if len(agents) == 1:
        return Addressees((agents[0].id,), 1.0, "the only agent")
    named = _named(text, agents)
    if named:
        ids = tuple(agent.id for agent, _, _ in named)
        names = " and ".join(agent.name for agent, _, _ in named)
        return Addressees(ids, max(score for _, score, _ in named), f"called by name: {names}")
    humans = [p for p in scene.present if not p.is_agent and p.id != scene.speaker_id]
    if called := _vocative(text, humans):
        return Addressees((), 0.8, f"said to {called.name}")
    agents = [agent for agent in agents if not agent.muted]
    if not agents:
        return Addressees((), 1.0, "every agent is muted")
    free = sorted(agents, key=lambda a: _index(scene.last_spoke, a.id))
    if TO_ALL.search(text):
        return Addressees(
            (free[0].id,), 0.7, "a question to all; the one who has been silent longest answers"
        )
    partner = next((a for a in agents if a.id == scene.partner_id), None)
    if partner is not None and scene.partner_s <= DIALOGUE_S:
        return Addressees((partner.id,), 0.8, "the running dialogue")
    if by_role := _by_role(text, agents):
        return Addressees((by_role.id,), 0.6, f"asked for by role: {by_role.role}")
    if partner is not None:
        return Addressees((partner.id,), 0.5, "the last one this person talked with")
    return Addressees((free[0].id,), 0.4, "nobody in particular; the one who has been silent longest answers")


def called_by_name(text: str, agents: Sequence[Present]) -> bool:
    """Whether a person's words call one of these agents, and do not only speak of it."""
    return any(called for _, _, called in _named(text, agents))


def similarity(name: str, spoken: str) -> float:
    """How much a recognised word sounds like a name, 0 to 1; 0 if it cannot be that name."""
    a, b = name.casefold().replace(" ", ""), spoken.casefold().replace(" ", "")
    if a == b:
        return 1.0
    if len(a) < 3 or len(b) < 2 or abs(len(a) - len(b)) > 2:
        return 0.0
    one, other = _sound(a), _sound(b)
    if one == other:
        return SAME_SOUND
    if len(a) < LONG or spoken.count(" ") != name.count(" ") or one[:1] != other[:1]:
        return 0.0
    ratio = SequenceMatcher(None, one, other).ratio()
    return ratio if ratio >= FUZZY else 0.0


def _by_agent(text: str, agents: Sequence[Present]) -> Addressees:
    last = re.split(r"(?<=[.!?])\s+", text.strip())[-1]
    if last.endswith("?"):
        # an agent's words are written, not recognised: a name is there or it is not
        called = [(found.start(), agent) for agent in agents if (found := _written(agent.name, last))]
        if called:
            agent = min(called, key=lambda c: c[0])[1]
            return Addressees((agent.id,), 0.8, f"an agent asks {agent.name} by name")
    return Addressees((), 0.8, "an agent's words for everyone")


def _written(name: str, text: str) -> re.Match[str] | None:
    return re.search(rf"\b{re.escape(name)}(?!\w)", text, re.I)


def _named(text: str, agents: Sequence[Present]) -> list[tuple[Present, float, bool]]:
    """Agents whose name is called, in the order of the words, each with a score and True.

    When none is, the only one that is spoken about, with False.
    """
    words = WORD.findall(text)
    found: list[tuple[int, Present, float, bool]] = []
    for agent in agents:
        score, at = max(
            ((similarity(agent.name, spoken), at) for spoken, at in _spoken(words, agent.name)),
            default=(0.0, 0),
        )
        if not score:
            continue
        # "I told Ada that ..." speaks about her
        about = at > 0 and words[at - 1].casefold() in ABOUT and words[at - 1].casefold() != "and"
        found.append((at, agent, score * 0.7 if about else score, not about))
    chosen = [f for f in found if f[3]] or (found if len(found) == 1 else [])
    return [(agent, score, called) for _, agent, score, called in sorted(chosen, key=lambda f: f[0])]


def _spoken(words: Sequence[str], name: str) -> Iterator[tuple[str, int]]:
    """Words, and runs of words joined, that could be this name as a recogniser wrote it."""
    span = len(WORD.findall(name))
    for size in {1, span, 2} if len(name) > 4 else {1, span}:
        for at in range(len(words) - size + 1):
            run = words[at : at + size]
            yield (" ".join(run) if size == span else "".join(run)), at


def _vocative(text: str, people: Sequence[Present]) -> Present | None:
    """A person called at the start or the end of what was said."""
    words = WORD.findall(text)
    while words and words[0].casefold() in CALLS:
        words = words[1:]
    for person in people:
        first = person.name.split()[0] if person.name.split() else person.name
        ends = [words[0]] if words else []
        if len(words) > 1 and words[-2].casefold() not in ABOUT:
            ends.append(words[-1])
        if any(similarity(first, word) >= 0.9 for word in ends):
            return person
    return None


def _by_role(text: str, agents: Sequence[Present]) -> Present | None:
    said = {w.casefold() for w in WORD.findall(text) if len(w) > 4}
    scored = [(len(said & {w.casefold() for w in WORD.findall(a.role) if len(w) > 4}), a) for a in agents]
    best = max(scored, key=lambda s: s[0])
    return best[1] if best[0] > 0 and sum(s[0] == best[0] for s in scored) == 1 else None


def _index(order: Sequence[str], agent_id: str) -> int:
    return max((i for i, other in enumerate(order) if other == agent_id), default=-1)


def _sound(word: str) -> str:
    """A rough key of how it is said in English: doubled letters, silent h, vowels' spellings unified.

    "th" and "sh" stay sounds of their own, so that "edit" is not Edith and "Irish" not Iris.
    """
    key = word.casefold()
    for spelled, sounds in (
        ("ph", "f"), ("ck", "k"), ("sh", "S"), ("th", "T"), ("c", "k"), ("q", "k"), ("z", "s"), ("y", "i"),
        ("ai", "a"), ("ei", "a"), ("ay", "a"), ("ee", "i"), ("ea", "i"), ("ie", "i"), ("oo", "u"),
        ("ou", "u"), ("ah", "a"), ("eh", "e"), ("oh", "o"), ("w", "v"), ("x", "ks"), ("h", ""),
    ):  # fmt: skip
        key = key.replace(spelled, sounds)
    return re.sub(r"(.)\1+", r"\1", key)
