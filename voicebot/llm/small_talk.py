"""What the offline brain says: a simple, honest conversation made from the persona and what was said."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from voicebot.llm.arithmetic import answer
from voicebot.llm.lines import Line

IDENTITY = re.compile(r"^You are ([^:\n]+): (.+)$", re.M)
"""How the first line of an agent's instructions names it and its character."""
OTHERS = re.compile(r"^.*Other agents in the room: (.+)\.$", re.M)
"""How they name the other agents."""

QUESTION = re.compile(
    r"^(?:and |so |but |well |hey |please |then )*(?:(?:can|could|would|will) you (?:please )?)?"
    r"(?:(?:tell|show|explain|teach)(?: to)? me (?:something )?(?:about |what |who |where |how )?|"
    r"do you know (?:about )?|"
    r"(?:what|who|where|when|why|how|which)(?:'s|'re)? ?(?:(?:is|are|was|were|do|does|did|will|would|can|"
    r"could|should|about|has|have|many|much|far|old|long)\b ?)*)",
    re.I,
)
SMALL_WORDS = {
    "a",
    "an",
    "the",
    "of",
    "in",
    "on",
    "at",
    "to",
    "and",
    "or",
    "for",
    "with",
    "my",
    "your",
    "today",
}
NOT_PLACES = SMALL_WORDS | {
    "this", "that", "our", "their", "his", "her", "general", "summer", "winter", "spring", "autumn", "love",
    "music",
    "school", "english", "time", "bed", "it", "here", "there", "town", "life", "space", "history",
    "science",
}  # fmt: skip
MIRROR = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "am": "are", "i'm": "you are", "i've": "you have",
    "i'll": "you will", "i'd": "you would", "you": "I", "your": "my", "yours": "mine", "myself": "yourself",
    "was": "were", "you're": "I am",
}  # fmt: skip
MOODS = (
    (("grumpy", "gruff", "angry", "bitter"), "Hmph. "),
    (("pirate", "sailor", "captain"), "Arr. "),
    (("cheerful", "bubbly", "happy", "excited", "friendly"), "Oh, how nice. "),
    (("wise", "old", "wizard", "monk", "calm"), "Hmm. "),
)
ASIDES = (
    "What made you think of that?",
    "How did that come about?",
    "What do you like about it?",
    "And what would you do next?",
    "How does that feel to you?",
)


def reply(instructions: str, lines: Sequence[Line], now: datetime) -> str:
    """The next thing to say. `now` is local time, for those who ask for it."""
    name, character = _identity(instructions)
    own = [line.text for line in lines if not line.speaker]
    spoken = [line for line in lines if line.speaker]
    if not spoken:
        return f"Hello, I am {name}. What would you like to talk about?"
    asked = _asked(spoken, name, instructions)
    speaker, text = asked.speaker, _plain(asked.text, name)
    turn = len(own)
    for rule in RULES:
        if (said := rule(text, speaker, spoken)) is not None:
            return said
    if re.search(r"\b(who are you|what('s| is) your name|introduce yourself|about yourself)\b", text):
        who = f"I am {name}{_as(character, ', ')}."
        return f"{who} I run on a small offline brain, so I know little, but I listen."
    if re.search(r"\b(are you (a|an) (ai|robot|bot|machine|human|person|computer)|are you real)\b", text):
        return f"I am a program that plays {name}, and for now with an offline brain, not a language model."
    if (told := _clock(text, now)) is not None:
        return told
    if (result := answer(text)) is not None:
        return f"That makes {result}."
    mood = next((m for marks, m in MOODS if any(mark in character.casefold() for mark in marks)), "")
    if re.match(r"(hi|hello|hey|good (morning|evening|afternoon))\b", text) and len(text.split()) <= 4:
        return f"Hello {speaker}! {mood}{_as(character, 'You are talking to ', '. ')}What is on your mind?"
    if re.match(r"how are you|how('s| is) it going", text):
        return f"{mood}I am well, {speaker}, thank you. And how are you?"
    if re.search(r"\b(bye|goodbye|see you|good night)\b", text) and len(text.split()) <= 5:
        return f"Goodbye, {speaker}. It was good to talk with you."
    if re.match(r"(thanks|thank you)\b", text):
        return f"You are welcome, {speaker}. What else is on your mind?"
    aside = ASIDES[turn % len(ASIDES)]
    if (topic := topic_of(text)) is not None:
        return (
            f"I cannot know about {topic}, {speaker}: I am an offline brain, without a language model "
            f"or the internet. {mood}But tell me, what do you know about it?"
            if turn % 2 == 0
            else f"About {topic} I know nothing, sorry: this is only an offline brain. {mood}"
            f"Why do you ask, {speaker}?"
        )
    return f"{mood}So {mirror(text)}, {speaker}. {aside}"


def topic_of(text: str) -> str | None:
    """What a question is about: "what is the weather in paris" gives "the weather in Paris"."""
    found = QUESTION.match(text)
    if not found or not found.group().strip() or found.group().strip() in ("and", "so", "but", "well", "hey"):
        return None
    words = text[found.end() :].split()
    words = [MIRROR.get(w, w) if w in ("my", "your", "i", "me", "mine") else w for w in words]
    for at in range(1, len(words)):
        if words[at - 1] in ("in", "from") and words[at] not in NOT_PLACES:
            words[at] = words[at].capitalize()
    while words and words[-1] in ("please", "right", "now", "today") and len(words) > 1:
        words.pop()
    return " ".join(words) or "that"


def mirror(text: str) -> str:
    """The same seen from the other side: "i love my boat" gives "you love your boat"."""
    return " ".join(MIRROR.get(word, word) for word in text.split())


def _identity(instructions: str) -> tuple[str, str]:
    found = IDENTITY.search(instructions)
    return (found.group(1).strip(), found.group(2).strip()) if found else ("your host", "")


def _asked(spoken: Sequence[Line], name: str, instructions: str) -> Line:
    """The line to answer: the last of a person, or a later one of an agent that asks by name."""
    found = OTHERS.search(instructions)
    agents = set(found.group(1).split(", ")) if found else set()
    for line in reversed(spoken):
        if line.speaker not in agents or re.search(rf"\b{re.escape(name)}\W*\?", line.text, re.I):
            return line
    return spoken[-1]


def _as(character: str, before: str, after: str = "") -> str:
    """The character as a phrase, when it reads as one ("a grumpy lighthouse keeper")."""
    phrase = re.sub(r"^[A-Z][\w' -]*, (?=an? |the )", "", character)
    phrase = re.split(r"[.;!?]|, who |, you | who ", phrase, maxsplit=1)[0].strip()
    if re.match(r"(?i)(an?|the) ", phrase) and len(phrase.split()) <= 10:
        return f"{before}{phrase[0].lower()}{phrase[1:]}{after}"
    return ""


def _plain(text: str, name: str) -> str:
    """Lower case without punctuation, without the agent's own name at either end."""
    plain = re.sub(r"[^\w\s'+*/.\u00d7\u00f7-]|\.(?!\d)", " ", text.casefold().replace("\u2019", "'"))
    plain = " ".join(plain.split())
    own = re.escape(name.casefold())
    return re.sub(rf"^(?:hey |hello |okay |so )?{own}\b ?|\b ?{own}$", "", plain).strip() or plain


def _clock(text: str, now: datetime) -> str | None:
    if re.search(r"\bwhat('s| is)? ?(the )?time\b|\bwhat time is it\b", text) and " in " not in text:
        return f"It is {now.hour % 12 or 12}:{now.minute:02} {'am' if now.hour < 12 else 'pm'} by my clock."
    if re.search(
        r"\b(what('s| is) (the |today's )?date|what day is (it|today)|which day is (it|today))\b", text
    ):
        return f"Today is {now:%A}, {now:%B} {now.day}, {now.year}."
    return None


def _what_did_i_say(text: str, speaker: str, spoken: Sequence[Line]) -> str | None:
    if not re.search(r"\bwhat (did|have) i (just )?(say|said|tell)\b|\brepeat what i\b", text):
        return None
    before = [line.text for line in spoken[:-1] if line.speaker == speaker]
    if not before:
        return f"You have not said anything before that, {speaker}."
    return f"You said: {before[-1].rstrip('.!?')}."


def _my_name(text: str, speaker: str, spoken: Sequence[Line]) -> str | None:
    if re.search(r"\b(what('s| is) my name|who am i|do you know my name)\b", text):
        return f"You are {speaker}."
    if found := re.match(r"(?:my name is|call me) ([\w'-]+)$", text):
        return f"Nice to meet you, {found.group(1).capitalize()}. What would you like to talk about?"
    return None


RULES: tuple[Callable[[str, str, Sequence[Line]], str | None], ...] = (_what_did_i_say, _my_name)
