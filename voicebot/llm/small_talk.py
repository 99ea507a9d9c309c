"""The replies of the offline backend: a short, honest conversation from the persona and the transcript."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from voicebot.llm.arithmetic import answer
from voicebot.llm.lines import ChatLine, RoomContext
from voicebot.llm.phrases import ANSWERS, BAD_NEWS, GOOD_NEWS, Mood, mood_of
from voicebot.llm.topics import is_question, mirror, topic_of

NOBODY = RoomContext()
IDENTITY = re.compile(r"^You are ([^:\n]+): (.+)$", re.M)
"""How an agent's instructions give its name and character in the first line."""
CALLED = re.compile(r"(?:my name is|call me) ([\w'-]+)$")


def reply(instructions: str, lines: Sequence[ChatLine], now: datetime, room: RoomContext = NOBODY) -> str:
    """Return the next reply. `now` is the local time, in case somebody asks; `room` says who is present."""
    name, character = _identity(instructions)
    own = [line.text for line in lines if not line.speaker]
    spoken = [line for line in lines if line.speaker]
    if not spoken:
        return f"Hello, I am {name}. What would you like to talk about?"
    at = _asked(spoken, name, room)
    asked = spoken[at]
    text = _plain(asked.text, name)
    before = [line.text for line in spoken[:at] if line.speaker == asked.speaker]
    speaker = _called(before) or asked.speaker
    who, mood, turn = _phrase(character), mood_of(character), len(own)
    if (said := _about_them(text, speaker, before)) is not None:
        return said
    if re.search(r"\b(say|repeat) that( again)?\b|^(what|pardon|sorry what|come again|excuse me)$", text):
        return f"I said: {own[-1]}" if own else f"I have not said anything yet, {speaker}."
    if (told := _clock(text, now)) is not None:
        return told
    if (result := answer(text)) is not None:
        return f"That makes {result}."
    for pattern, phrases in ANSWERS:
        if (found := pattern.search(text)) is not None:
            about = next((group for group in found.groups() if group), "") if found.re.groups else ""
            return phrases.of(mood).format(
                speaker=speaker, name=name, who=f", {who}" if who else "", about=mirror(about)
            )
    if is_question(text):
        return _unknown(topic_of(text), speaker, who, mood, turn)
    return _statement(text, speaker, mood, turn)


def _unknown(topic: str | None, speaker: str, who: str, mood: Mood, turn: int) -> str:
    about = f"about {topic}" if topic else "that"
    if turn % 2:
        asked = f"{who} with an offline brain" if who else "an offline brain"
        return (
            f"You are asking {asked}, {speaker}: I know nothing {about if topic else 'of that'}. {mood.why}"
        )
    return (
        f"{mood.sound}I cannot know {about}, {speaker}: I am only an offline brain, "
        f"without a language model. {mood.ask}"
    )


def _statement(text: str, speaker: str, mood: Mood, turn: int) -> str:
    if BAD_NEWS.search(text):
        return mood.sorry.format(speaker=speaker)
    if GOOD_NEWS.search(text):
        return mood.glad.format(speaker=speaker)
    aside = mood.asides[turn % len(mood.asides)]
    sound = mood.sound if turn % 2 == 0 else ""
    # only what speakers say about themselves can be mirrored without changing its sense
    if re.match(r"(i|i'm|i've|i'd|i'll|my)\b", text) and 2 < len(text.split()) <= 10 and "you" not in text:
        return f"{sound}So {mirror(text)}, {speaker}. {aside}"
    return f"{sound}I am listening, {speaker}. {mood.asides[0]}"


def _identity(instructions: str) -> tuple[str, str]:
    found = IDENTITY.search(instructions)
    return (found.group(1).strip(), found.group(2).strip()) if found else ("your host", "")


def _asked(spoken: Sequence[ChatLine], name: str, room: RoomContext) -> int:
    """Index of the line to answer: a person's last one, or a later one in which an agent asks by name."""
    others = set(room.agents)
    if room.answer:
        others = {line.speaker for line in spoken} - set(room.answer)
    for at in range(len(spoken) - 1, -1, -1):
        line = spoken[at]
        if line.speaker not in others or re.search(rf"\b{re.escape(name)}\W*\?", line.text, re.I):
            return at
    return len(spoken) - 1


def _phrase(character: str) -> str:
    """The description as a phrase ("a grumpy lighthouse keeper"), or "" if it is not one."""
    phrase = re.sub(r"^[A-Z][\w' -]*, (?=an? |the )", "", character)
    phrase = re.split(r"[.;!?]|, who |, you | who ", phrase, maxsplit=1)[0].strip()
    if re.match(r"(?i)(an?|the) ", phrase) and len(phrase.split()) <= 10:
        return phrase[0].lower() + phrase[1:]
    return ""


def _plain(text: str, name: str) -> str:
    """Lower case, no punctuation, without the agent's name at either end."""
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


def _called(before: Sequence[str]) -> str:
    """The name by which this person asked to be called."""
    found = [match for text in before if (match := CALLED.match(_plain(text, "")))]
    return found[-1].group(1).capitalize() if found else ""


def _about_them(text: str, speaker: str, before: Sequence[str]) -> str | None:
    """Answers about the speaker: their name and their last words."""
    if re.search(r"\bwhat (did|have) i (just )?(say|said|tell)\b|\brepeat what i\b", text):
        if not before:
            return f"You have not said anything before that, {speaker}."
        return f"You said: {before[-1].rstrip('.!?')}."
    if re.search(r"\b(what('s| is) my name|who am i|(know|remember) (me|my name))\b", text):
        return f"You are {speaker}."
    if found := CALLED.match(text):
        return f"Nice to meet you, {found.group(1).capitalize()}. What would you like to talk about?"
    return None
