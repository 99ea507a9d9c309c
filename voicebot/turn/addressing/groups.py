"""Lines for several at once: "what does everyone think?", "and the others?"."""

from __future__ import annotations

import re

from voicebot.turn.vocabulary import AUXILIARY, EVERYONE, GREETED, PRONOUNS
from voicebot.turn.words import COMMA, Tokens, asks

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
    """Said to all of them: whoever is there may answer."""
    if _TO_ALL.search(" ".join(line.words)):
        return True
    return any(word in EVERYONE and _is_called(line, at) for at, word in enumerate(line.words))


def addresses_others(line: Tokens) -> bool:
    """Said to those who have not answered yet."""
    return _OTHERS.search(" ".join(line.words)) is not None


def _is_called(line: Tokens, at: int) -> bool:
    """ "does everyone know" and "hello everyone", not "everyone knows" and "I told everyone"."""
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
