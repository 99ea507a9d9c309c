"""Lines that address a group ("what does everyone think?"), and side talk between people."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from voicebot.turn.addressing.context import PriorTurn
from voicebot.turn.vocabulary import AUXILIARY, EVERYONE, GREETED, PRONOUNS
from voicebot.turn.words import COMMA, Tokens, asks

SIDE_S = 15.0
"""Two people who spoke to each other keep addressing each other for this many seconds.

In each of ten languages answers begin within half a second of the question on average (Stivers et al. 2009,
"Universals and cultural variation in turn-taking in conversation", PNAS 106). The rest leaves room for
thought, a long sentence and its recognition."""
JOIN_S = 10.0
"""A third person joins the side talk of others for this many seconds; fewer, because nobody asked them."""

_SURELY = re.compile(
    r"\b(what did|did you (hear|get|understand) what|i (like|love|hate) what) "
    r"(he|she|it|they) (just )?(say|said|mean|meant)|^did (he|she|it) (just|really)\b"
)
_PERHAPS = re.compile(
    r"^(can|does|did|will|is) (he|she)\b|"
    r"^(\w+ )?(he|she)('s| is| was| knows| sounds| talks| said| says| just| thinks| can)\b"
)
_TO_ALL = re.compile(
    r"\b((all|each|both|either|two|three|one|which|who) of you|(any|some|every) ?(one|body)? of you|"
    r"you (all|both|two|three|guys|folks)|y'all|one after the other|one by one|among you|yourselves|"
    r"(hello|hi|hey|morning|evening|afternoon|night|bye|thanks|welcome|okay|ok|alright) (you )?"
    r"(all|both|folks|team|guys|friends|people|agents)|"
    r"your names|(ihr|euch) alle|wer von euch|vous tous|todos ustedes|ladies and gentlemen|"
    r"who (wants|would like|can|knows (a|an|how|what|the)|has (a|an)|here))\b"
)
_OTHERS = re.compile(
    r"\b(the rest of you|all the others|(the others|the rest|the other (one|two|agents?))"
    r"(?=$| (say|think|may|can|could|want|do|know|agree|too)\b)|"
    r"(any|some|every)(one|body) else|who else|another opinion)\b"
)


def addresses_everyone(line: Tokens) -> bool:
    """Whether the line addresses everybody present."""
    if _TO_ALL.search(" ".join(line.words)):
        return True
    return any(word in EVERYONE and _is_called(line, at) for at, word in enumerate(line.words))


def addresses_others(line: Tokens) -> bool:
    """Whether the line addresses those who have not answered yet."""
    return _OTHERS.search(" ".join(line.words)) is not None


def _is_called(line: Tokens, at: int) -> bool:
    """True in "does everyone know" and "hello everyone", not in "everyone knows" and "I told everyone"."""
    if line.words[at + 1 : at + 2] == ("else",):
        return False
    commas = line.gaps[at] == COMMA or line.gaps[at + 1] == COMMA
    if line.begins(at):
        return commas or line.ends(at + 1) or asks(line, at + 1)
    previous = line.words[at - 1]
    if previous in AUXILIARY and previous not in {"don't", "isn't"}:
        before = line.words[at - 2] if at > 1 and not line.begins(at - 1) else ""
        return before not in PRONOUNS
    return previous in GREETED or commas


def side_talk_partners(
    speaker_id: str, history: Sequence[PriorTurn], agent_ids: Collection[str], in_dialogue: bool
) -> frozenset[str]:
    """Ids of the people this speaker is in side talk with; empty if there is none.

    `in_dialogue`: the speaker has just talked with an agent, and so does not join other people's side talk.
    """
    for said in reversed(history):
        if said.ago_s > SIDE_S:
            break
        to_people = frozenset(said.to) - frozenset(agent_ids)
        if said.speaker_id in agent_ids:
            if speaker_id in said.to or not said.to:
                break
            continue  # an agent answering another person does not end this side talk
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
    """Whether the line speaks of an agent as he or she ("what did she say?").

    In a dialogue with an agent, "he is ..." more likely refers to somebody they are discussing.
    """
    words = " ".join(line.words)
    return bool(_SURELY.search(words) or (not in_dialogue and _PERHAPS.search(words)))
