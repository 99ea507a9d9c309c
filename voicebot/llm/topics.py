"""Find a question's topic, and swap first and second person."""

from __future__ import annotations

import re

LEAD = r"^(?:and |so |but |well |hey |please |then )*"
QUESTION = re.compile(
    LEAD + r"(?:(?:can|could|would|will) you (?:please )?)?"
    r"(?:(?:tell|show|explain|teach)(?: to)? me (?:something )?(?:about |what |who |where |how )?|"
    r"do you know (?:about |what |who |where |how )?|"
    r"(?:what|who|where|when|why|how|which)(?:'s|'re)? ?(?:(?:is|are|was|were|do|does|did|will|would|can|"
    r"could|should|about|has|have|many|much|far|old|long)\b ?)*)",
    re.I,
)
YES_OR_NO = re.compile(
    LEAD + r"(is|are|was|were|do|does|did|can|could|will|would|should|shall|may|might|has|have|had|am|isn't|"
    r"aren't|don't|doesn't|can't|won't)\b",
    re.I,
)
SMALL_WORDS = {
    "a", "an", "the", "of", "in", "on", "at", "to", "and", "or", "for", "with", "my", "your", "today",
}  # fmt: skip
NOT_PLACES = SMALL_WORDS | {
    "this", "that", "our", "their", "his", "her", "general", "summer", "winter", "spring", "autumn", "love",
    "music", "school", "english", "time", "bed", "it", "here", "there", "town", "life", "space", "history",
    "science",
}  # fmt: skip
NOT_TOPICS = {
    "i", "you", "he", "she", "it", "we", "they", "me", "him", "us", "them", "this", "that", "there", "if",
    "someone", "somebody", "people", "one", "going", "to",
}  # fmt: skip
VERBS = {"is", "are", "was", "were", "do", "does", "did", "can", "should"}
MIRROR = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "am": "are", "i'm": "you are", "i've": "you have",
    "i'll": "you will", "i'd": "you would", "you": "I", "your": "my", "yours": "mine", "myself": "yourself",
    "you're": "I am", "yourself": "myself",
}  # fmt: skip


def is_question(text: str) -> bool:
    """Whether lower-case text without punctuation is a question."""
    found = QUESTION.match(text)
    asks = bool(found and re.search(r"\b(what|who|where|when|why|how|which|me|know)\b", found.group()))
    return asks or YES_OR_NO.match(text) is not None


def topic_of(text: str) -> str | None:
    """The topic of a question: "what is the weather in paris" gives "the weather in Paris".

    None if there is no topic to name.
    """
    found = QUESTION.match(text)
    if (
        not found
        or re.search(r"\bwhy\b", found.group())
        or not re.search(r"\b(what|who|where|when|why|how|which|me|know)\b", found.group())
    ):
        return None
    words = text[found.end() :].split()
    if not words or words[0] in NOT_TOPICS or len(words) > 8 or VERBS & set(words):
        return None
    words = [MIRROR.get(w, w) if w in ("my", "your", "i", "me", "mine") else w for w in words]
    for at in range(1, len(words)):
        if words[at - 1] in ("in", "from") and words[at] not in NOT_PLACES:
            words[at] = words[at].capitalize()
    while words and words[-1] in ("please", "right", "now", "today") and len(words) > 1:
        words.pop()
    return " ".join(words)


def mirror(text: str) -> str:
    """Swap first and second person: "i love my boat" gives "you love your boat"."""
    text = re.sub(r"\bi was\b", "you were", re.sub(r"\byou are\b", "you're", text))
    text = re.sub(r"(?<=\S )you$", "\0me", text)
    words = [word[1:] if word.startswith("\0") else MIRROR.get(word, word) for word in text.split(" ")]
    return " ".join(words)
