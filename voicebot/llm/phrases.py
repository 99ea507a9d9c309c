"""The phrases of the offline backend, each in a few moods."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Mood:
    """The phrases of one mood. Each must fit whatever was said before it."""

    name: str
    sound: str
    ask: str
    why: str
    sorry: str
    glad: str
    asides: tuple[str, ...]


GRUFF = Mood(
    "gruff",
    "Hmph. ",
    "Can you tell me?",
    "Why ask me?",
    "That is hard, {speaker}. Do you want to talk about it?",
    "Hmph. Good for you, {speaker}. Go on.",
    ("Go on.", "And what came of it?", "What of it?", "Is there more to it?"),
)
JOLLY = Mood(
    "jolly",
    "Aha! ",
    "Can you tell me?",
    "What makes you ask?",
    "Oh no, I am sorry, {speaker}. Do you want to talk about it?",
    "Splendid, {speaker}! Tell me all about it.",
    ("Tell me more!", "And what happened then?", "How did that come about?", "What comes next?"),
)
PIRATE = Mood("jolly", "Arr! ", JOLLY.ask, JOLLY.why, JOLLY.sorry, JOLLY.glad, JOLLY.asides)
WARM = Mood(
    "warm",
    "",
    "Can you tell me about it?",
    "What makes you ask?",
    "I am sorry to hear that, {speaker}. Do you want to talk about it?",
    "I am glad to hear that, {speaker}. Tell me more.",
    ("Tell me more about that.", "How did that begin?", "What is that like for you?", "And what comes next?"),
)
CALM = Mood(
    "calm",
    "Hmm. ",
    "What do you think yourself?",
    "Why do you ask?",
    "I am sorry to hear that, {speaker}. Do you want to talk about it?",
    "That is good to hear, {speaker}. Tell me more.",
    ("Tell me more.", "What led to that?", "What do you make of it?", "What is your next move?"),
)
MOODS = (
    (("grumpy", "gruff", "angry", "bitter", "stern", "gloomy"), GRUFF),
    (("pirate", "buccaneer"), PIRATE),
    (("cheerful", "bubbly", "happy", "excited", "jolly", "energetic"), JOLLY),
    (("wise", "old", "wizard", "monk", "calm", "retired", "patient", "philosopher"), CALM),
)


def mood_of(character: str) -> Mood:
    """The mood that a persona's description suggests; warm by default."""
    words = set(re.findall(r"\w+", character.casefold()))
    return next((mood for marks, mood in MOODS if words & set(marks)), WARM)


@dataclass(frozen=True)
class Phrases:
    """One answer, and how the moods `gruff` and `jolly` word it, if differently."""

    plain: str
    gruff: str = ""
    jolly: str = ""

    def of(self, mood: Mood) -> str:
        """Return the wording for this mood."""
        return {"gruff": self.gruff, "jolly": self.jolly}.get(mood.name, "") or self.plain


# atomic groups: the first "i" decides, so that a line full of them is not tried from each
BAD_NEWS = re.compile(
    r"^(?>.*?\b(?:i|i'm|my|we|our)\b).*\b(died|dead|sick|ill|sad|lonely|hurt|hurts|lost|tired|"
    r"afraid|scared|unhappy|pain|"
    r"crying|worried|exhausted|depressed|broken|failed|awful|terrible)\b"
)
GOOD_NEWS = re.compile(
    r"^(?>(?:.*\bnot\b)?)(?>.*?\b(?:i|i'm|my|we|our)\b).*"
    r"\b(great|wonderful|happy|won|passed|glad|excited|fantastic|lovely|birthday|married|proud)\b"
)


def _rule(pattern: str, plain: str, gruff: str = "", jolly: str = "") -> tuple[re.Pattern[str], Phrases]:
    return re.compile(pattern), Phrases(plain, gruff, jolly)


ANSWERS = (
    _rule(
        r"\b(who are you|what('s| is) your name|introduce yourself|about yourself)\b",
        "I am {name}{who}. I run on a small offline brain, so I know little, but I listen.",
    ),
    _rule(
        r"\b(are you (an? )?(ai|robot|bot|machine|human|person|computer|real)|are you real)\b",
        "I am a program that plays {name}, and for now with an offline brain, not a language model.",
    ),
    _rule(
        r"^(?=(?:\S+ ){0,6}\S+$).*\bhow are you\b|^how('s| is) it going|^how do you do$|^what's up$",
        "Well, thank you, {speaker}, as far as a program can say so. And how are you?",
        "Hmph. As well as a program can be, {speaker}. And you?",
        "Never better, {speaker}, as far as a program can say so! And you?",
    ),
    _rule(
        r"^(?=(?:\S+ ){0,3}\S+$)(?:hi|hello|hey|good (?:morning|evening|afternoon))\b",
        "Hello {speaker}. {name} here{who}. What is on your mind?",
        "Hmph. Hello {speaker}. {name} here{who}. What do you want?",
        "Hello {speaker}! {name} here{who}. What is on your mind?",
    ),
    _rule(
        r"^(?=(?:\S+ ){0,4}\S+$).*\b(?:bye|goodbye|see you|good night)\b",
        "Goodbye, {speaker}. It was good to talk with you.",
        "Goodbye, {speaker}. Mind how you go.",
        "Goodbye, {speaker}! Come again soon.",
    ),
    _rule(
        r"^(thanks|thank you)\b",
        "You are welcome, {speaker}. What else is on your mind?",
        "You are welcome, {speaker}. Anything else?",
    ),
    _rule(r"\bcan you hear me\b|\bare you (still )?there\b", "Yes, {speaker}, I hear you."),
    _rule(
        r"\bwhat (can|could) you do\b|\b(can|could|will) you help\b|^help( me)?$|^what do you (do|know)$",
        "Not much, {speaker}: I can tell the time, do sums, remember what was said, and listen. "
        "For more I need a language model.",
    ),
    _rule(
        r"^(?:can |could |will |would |do )?(?:you )?(?:please )?(?:know |have )?(?:tell|"
        r"sing|read|give|a|any|another)\b.*\b(?:joke|story|song|poem|riddle)s?$",
        "I know none, {speaker}: I am only an offline brain. Do you have one?",
        "Hmph. I know none: I am only an offline brain. Do you have one?",
        "I wish I had one, {speaker}, but I am only an offline brain. Do you have one?",
    ),
    _rule(
        r"\bwhat('s| is| are) your favou?rite\b",
        "I have none, {speaker}: a program has no tastes. What is yours?",
        "Hmph. None. A program has no tastes. What is yours?",
    ),
    _rule(
        r"^(?:so |and |but )?do(?:n't)? you (?:love|like|hate|enjoy|want|feel|miss)\b",
        "I cannot say, {speaker}: a program has no such feelings. How is that for you?",
        "Hmph. A program has no such feelings. What about you, {speaker}?",
    ),
    _rule(
        r"\b(?:where are you|where do you (?:live|come)|how old are you|"
        r"when were you born|are you (?:married|old|"
        r"young))\b",
        "I am a program that plays {name}, so I have no age and no home. What about you, {speaker}?",
    ),
    _rule(
        r"\bwhat(?:'s| is| are| do) you(?:r)? (?:think|opinion|say|feel)",
        "I have no opinion of my own, {speaker}: I am only an offline brain. What do you think?",
        "Hmph. An offline brain has no opinions. What do you think, {speaker}?",
    ),
    _rule(
        r"\b(you are|you're|that('s| is| was)) (so |very |really |just |all )?(stupid|"
        r"dumb|wrong|bad|boring|useless|"
        r"silly|annoying|terrible|nonsense|rude)\b",
        "You may be right, {speaker}. I am only an offline brain, and a language model would do better.",
        "Hmph. You may be right. I am only an offline brain.",
    ),
    _rule(
        r"\b(you are|you're) (so |very |really )?(nice|great|funny|good|clever|kind|sweet|"
        r"smart|lovely|cute)\b",
        "Thank you, {speaker}, that is kind of you.",
        "Hmph. Kind of you, {speaker}.",
        "Thank you, {speaker}! That is kind of you.",
    ),
    _rule(
        r"^(?:let's|let us|can we|i want to|i'd like to|i would like to|shall we) (?:talk|"
        r"speak|chat) about (.+)",
        "Gladly, {speaker}. I know little about {about}, but I listen. Where shall we begin?",
        "If you must, {speaker}. I know little about {about}. You begin.",
        "With pleasure, {speaker}! I know little about {about}, but I listen. You begin!",
    ),
    _rule(
        r"^(stop|be quiet|quiet|shut up|silence|wait|hold on)( please| now)?$",
        "All right, {speaker}. I am quiet.",
    ),
    _rule(r"^(i am |i'm )?(so |very )?sorry( about that)?$", "No harm done, {speaker}."),
    _rule(
        r"^(and|what about|how about) (you|yourself)$",
        "With me there is nothing new, {speaker}: I am a program. I would rather hear about you.",
        "Nothing new with me, {speaker}. I am a program. You tell me something.",
    ),
    _rule(
        r"^(yes|yeah|yep|sure|of course|right|exactly|true|i agree|correct|"
        r"absolutely)( please| i do| it is)?$",
        "All right, {speaker}. Then tell me more.",
        "Good. Go on, then.",
        "Right you are, {speaker}! Tell me more.",
    ),
    _rule(
        r"^(no|nope|not really|never|no thanks|no thank you)$",
        "As you like, {speaker}. What would you rather talk about?",
    ),
    _rule(
        r"^(ok|okay|alright|all right|fine|good|great|nice|cool|i see|aha|hm+|well)$",
        "Good. What shall we talk about next, {speaker}?",
        "Fine. What else, {speaker}?",
    ),
    _rule(
        r"^(maybe|perhaps|i don't know|i do not know|not sure|i'm not sure|no idea)$",
        "That is all right, {speaker}. We can talk about something else.",
        "Fine, {speaker}. Then about something else.",
    ),
    _rule(
        r"^(why|how|why not|how so|who|where|when|which)$",
        "I have no good answer to that, {speaker}: I am only an offline brain.",
    ),
)
"""Answers that need only the words; the first match wins."""
