"""Do people talk among themselves? From who spoke to whom last, and from how agents are spoken of."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from voicebot.turn.addressing.context import PriorTurn
from voicebot.turn.words import Tokens

SIDE_S = 15.0
"""For so many seconds after a person has spoken to another one, their next words are for each other.

Answers begin within half a second of the question on average in each of ten languages (Stivers et al. 2009,
"Universals and cultural variation in turn-taking in conversation", PNAS 106); the rest is room for thought, a
long sentence and its recognition."""
JOIN_S = 10.0
"""For so many seconds a third person's words belong to what others say to each other: shorter, for they were
not asked."""

_SURELY = re.compile(
    r"\b(what did|did you (hear|get|understand) what|i (like|love|hate) what) "
    r"(he|she|it|they) (just )?(say|said|mean|meant)|^did (he|she|it) (just|really)\b"
)
_PERHAPS = re.compile(
    r"^(can|does|did|will|is) (he|she)\b|"
    r"^(\w+ )?(he|she)('s| is| was| knows| sounds| talks| said| says| just| thinks| can)\b"
)


def side_talk_partners(
    speaker_id: str, history: Sequence[PriorTurn], agent_ids: Collection[str], in_dialogue: bool
) -> frozenset[str]:
    """The people this speaker is talking with; empty when there is no such talk.

    `in_dialogue`: an agent and this speaker have just talked, so that other people's talk is not joined.
    """
    for said in reversed(history):
        if said.ago_s > SIDE_S:
            break
        to_people = frozenset(said.to) - frozenset(agent_ids)
        if said.speaker_id in agent_ids:
            if speaker_id in said.to or not said.to:
                break
            continue  # an agent that answers another person ends no talk of this one
        if said.speaker_id == speaker_id:
            if to_people:
                return to_people
            break  # the last words of this speaker were for an agent
        if speaker_id in said.to:
            return frozenset({said.speaker_id})
        if to_people and not in_dialogue and said.ago_s <= JOIN_S:
            return to_people | {said.speaker_id}
    return frozenset()


def speaks_of_third_person(line: Tokens, in_dialogue: bool) -> bool:
    """Whether an agent is spoken of as he or she ("what did she say?").

    In a dialogue with an agent, "he is ..." is likelier about somebody they talk about.
    """
    words = " ".join(line.words)
    return bool(_SURELY.search(words) or (not in_dialogue and _PERHAPS.search(words)))
