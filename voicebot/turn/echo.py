"""Detect an agent's own voice that came back through an open loudspeaker and was recognised.

An echo has roughly the agent's words (a recogniser distorts what has been through a room), in order, each
within `LONGEST` of being played. A person who repeats the agent does so later: people begin 0.2 s after the
word has ended. The words that the agent's speech does not explain are the person's, and are kept.

All times are clock times in seconds.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz

from voicebot.events import Word

LONGEST = 0.6
"""The longest delay of an echo in seconds: network both ways, jitter buffer, a wireless speaker."""
USUAL = 0.35
"""The longest delay for one or two words of a longer speech, which are more often a person's question."""
JITTER = 0.05
"""Seconds by which even measured word times are wrong."""
GUESSED = 0.25
"""How wrong an estimated word time may be, as a share of its distance from the sentence's nearer end."""
ALIKE = 0.6
"""Similarity at which two words count as the same word, distorted."""
ROUGHLY = 0.42
"""Similarity at which several words in a row, which distort into each other, count as the same words."""
EVIDENCE = 5
"""The least number of the agent's letters that make an echo."""
STRETCH = 8
"""Letters of consecutive words of the agent that make an echo even if a person says a lot besides."""
LONGEST_TEXT = 150
"""Words examined at most: half a minute without a pause is no echo, and time is limited."""
LONGEST_LETTERS = 4 * LONGEST_TEXT
"""The most letters examined, for words that are long or not separated."""
LETTERS_PER_SECOND = 13.0
"""Assumed speaking rate for a sentence whose end is unknown."""

CALLS = {
    "stop", "wait", "no", "not", "hold", "on", "hey", "enough", "quiet", "sorry", "excuse", "pardon", "what",
    "why", "how", "who", "when", "where", "which", "can", "could", "would", "please", "but", "actually",
    "listen", "second", "moment", "question", "tell", "me", "repeat", "again", "slower", "louder", "help",
}  # fmt: skip
"""Words people barge in with: in place of the agent's word, one of these is no recognition error."""


@dataclass(frozen=True)
class PlayedSentence:
    """A sentence of an agent that people heard."""

    text: str
    start: float
    """When its first sample was sent."""
    end: float = math.inf
    """When its last sample was or will be sent; inf if unknown."""
    words: Sequence[Word] = ()
    """Clock times of its words, if the voice reported them."""


@dataclass(frozen=True)
class Echo:
    """Which part of an utterance was an agent's voice."""

    similarity: float
    """Between the utterance's letters and the agent's, 0 to 1."""
    rest: str
    """What a person said: everything if there was no echo, "" if there was nothing else."""
    reason: str

    @property
    def found(self) -> bool:
        """Whether some of it was an echo."""
        return self.similarity > 0


@dataclass(frozen=True)
class _Word:
    text: str
    letters: str
    time: float
    slack: float
    """Seconds by which `time`, when the word begins, may be wrong."""


def detect_echo(
    text: str, start: float, end: float, played: Sequence[PlayedSentence], words: Sequence[Word] = ()
) -> Echo:
    """Find the agents' own words in this utterance.

    Args:
        text: what was recognised from one microphone.
        start: clock time of its first speech sample; `end` is that of the last.
        played: sentences of all agents that were sent then or up to a second before, in order.
        words: clock times of the recognised words, if the recogniser reports them; else estimated.
    """
    heard = _timed(text, start, end, words)
    near = [s for s in played if s.start <= end and _end(s) + LONGEST + JITTER >= start]
    if not heard or not near:
        return Echo(0.0, text, "no agent could be heard")
    if len(heard) > LONGEST_TEXT or sum(len(w.letters) for w in heard) > LONGEST_LETTERS:
        return Echo(0.0, text, "it is too long for an echo")
    said = [w for s in near for w in _timed(s.text, s.start, _end(s), s.words)]
    said = [w for w in said if start - LONGEST - 1.0 <= w.time <= end + 1.0]
    pairs = _align(heard, said)
    if len(heard) <= 2 and pairs and start - near[0].start > 1.0:
        lag = min(heard[i].time - said[k].time - heard[i].slack - said[k].slack for i, _, k, _, _ in pairs)
        if lag > USUAL:
            return Echo(0.0, text, "the agent's words again, too late for an echo")
    if not _enough(heard, pairs):
        return Echo(0.0, text, "not what agents were saying")
    last = max(_end(s) for s in near)
    echo = _strip(text, heard, said, pairs, last=last)
    if not echo.rest and end > last + LONGEST + JITTER:
        return Echo(0.0, text, "it went on for longer than an echo could")
    return echo


def _enough(heard: Sequence[_Word], pairs: Sequence[Pair]) -> bool:
    """Whether half of it, or a run of words, is the agent's; any two sentences share single words."""
    letters = [len(_letters(heard[i:j])) for i, j, _, _, _ in pairs]
    total = sum(len(w.letters) for w in heard)
    if sum(letters) >= max(total / 2, min(EVIDENCE, total)):
        return True
    chain = longest = words = 0
    for n, (i, j, k, _, _) in enumerate(pairs):
        goes_on = n > 0 and i <= pairs[n - 1][1] + 1 and k <= pairs[n - 1][3] + 1
        chain, words = (chain + letters[n], words + j - i) if goes_on else (letters[n], j - i)
        longest = max(longest, chain if words > 1 else 0)
    return longest >= STRETCH


Pair = tuple[int, int, int, int, float]
"""heard[i:j] matches said[k:l] with this similarity."""


def _align(heard: Sequence[_Word], said: Sequence[_Word]) -> list[Pair]:
    """The pairs that explain the most letters, in order, each within the delay of an echo."""
    rows, columns = len(heard), len(said)
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    taken: dict[tuple[int, int], Pair] = {}
    for i in range(rows - 1, -1, -1):
        for k in range(columns - 1, -1, -1):
            best[i][k] = max(best[i + 1][k], best[i][k + 1])
            if not _in_time(heard[i], said[k]):
                continue
            for j, m in ((i + 1, k + 1), (i + 2, k + 1), (i + 1, k + 2)):
                if j > rows or m > columns:
                    continue
                one, other = _letters(heard[i:j]), _letters(said[k:m])
                likeness = _like(one, other)
                # common letters; two words are joined only if that explains more
                score = likeness * (len(one) + len(other)) / 2 - (j - i + m - k - 2) / 2 + best[j][m]
                if likeness >= ALIKE and score > best[i][k]:
                    best[i][k], taken[i, k] = score, (i, j, k, m, likeness)
    pairs: list[Pair] = []
    i = k = 0
    while i < rows and k < columns:
        pair = taken.get((i, k))
        if pair is not None and best[i][k] > max(best[i + 1][k], best[i][k + 1]):
            pairs.append(pair)
            i, k = pair[1], pair[3]
        elif best[i + 1][k] >= best[i][k + 1]:
            i += 1
        else:
            k += 1
    return pairs


def _strip(
    text: str, heard: Sequence[_Word], said: Sequence[_Word], pairs: Sequence[Pair], last: float
) -> Echo:
    """Remove the agent's words, and what stands in place of those that were distorted."""
    rest: list[str] = []
    explained = sum(len(_letters(heard[i:j])) * likeness for i, j, _, _, likeness in pairs)
    ends = [(0, 0), *((j, m) for _, j, _, m, _ in pairs)]
    begins = [*((i, k) for i, _, k, _, _ in pairs), (len(heard), len(said))]
    for (i, k), (j, m) in zip(ends, begins, strict=True):
        run, slot = heard[i:j], said[k:m]
        if not run:
            continue
        if j == len(heard):  # only as many of the agent's words as there was time for
            slot = [w for w in slot if w.time <= run[-1].time + run[-1].slack + w.slack]
        likeness = _likeness_at_an_end(run, slot, first=i == 0, last=j == len(heard))
        over = j == len(heard) and run[0].time - run[0].slack > last + LONGEST
        if over or _by_a_person(run, slot, likeness, len(heard)):
            rest += [w.text for w in run]
        else:
            explained += len(_letters(run)) * likeness
    if len(rest) == len(heard):
        return Echo(0.0, text, "not what agents were saying")
    similarity = min(1.0, explained / sum(len(w.letters) for w in heard))
    what = "an agent's own voice, and a person's words" if rest else "an agent's own voice"
    return Echo(max(similarity, 0.01), " ".join(rest), what)


def _by_a_person(run: Sequence[_Word], slot: Sequence[_Word], likeness: float, count: int) -> bool:
    """Whether these words are more than a distortion of what the agent said in their place."""
    words, letters = {w.letters for w in run}, _letters(run)
    calls = bool(words & CALLS - {w.letters for w in slot})
    if not slot:
        return calls or len(letters) > 3
    if likeness >= ROUGHLY:
        return False
    return calls or len(letters) > 1.5 * len(_letters(slot)) + 3 or len(run) > count / 2


def _likeness_at_an_end(run: Sequence[_Word], slot: Sequence[_Word], *, first: bool, last: bool) -> float:
    """Compare with the whole slot between two of the agent's words; at an end, with the adjacent part."""
    letters, others = _letters(run), _letters(slot)
    room = len(letters) + 3
    if last and not first:
        others = others[:room]
    elif first and not last:
        others = others[-room:]
    return _like(letters, others, short=True)


def _in_time(heard: _Word, said: _Word) -> bool:
    slack = heard.slack + said.slack
    return -slack <= heard.time - said.time <= LONGEST + slack


def _timed(text: str, start: float, end: float, words: Sequence[Word]) -> list[_Word]:
    """The words with their times, measured or estimated from the letters."""
    if words:
        found = [(w.text, _plain(w.text), w.start, JITTER) for w in words]
        return [_Word(*w) for w in found if w[1]]
    parts = [(part, _plain(part)) for part in text.split()]
    total = sum(len(letters) + 1 for _, letters in parts) or 1
    out, position = [], 0
    for part, letters in parts:
        into = (end - start) * position / total
        slack = JITTER + GUESSED * min(into, end - start - into)
        position += len(letters) + 1
        if letters:
            out.append(_Word(part, letters, start + into, slack))
    return out


def _end(sentence: PlayedSentence) -> float:
    if math.isfinite(sentence.end):
        return sentence.end
    return sentence.start + len(sentence.text) / LETTERS_PER_SECOND


def _letters(words: Sequence[_Word]) -> str:
    return "".join(word.letters for word in words)


@lru_cache(maxsize=4096)
def _plain(word: str) -> str:
    """Letters and digits alone, without accents."""
    flat = unicodedata.normalize("NFKD", word.casefold())
    return re.sub(r"[^\w]|_", "", "".join(c for c in flat if not unicodedata.combining(c)))


@lru_cache(maxsize=8192)
def _like(one: str, other: str, short: bool = False) -> float:
    """Similarity, 0 to 1. Words of up to three letters must be equal: any two of them are a little alike."""
    if one == other:
        return 1.0
    longer, less = max(len(one), len(other)), min(len(one), len(other))
    if not less or (not short and (less <= 3 or 2 * less < ALIKE * (less + longer))):
        return 0.0
    return fuzz.ratio(one, other) / 100
