"""English words grouped by what they say about the end of a turn; lower case, straight apostrophes."""

from __future__ import annotations

from voicebot.turn.vocabulary import words


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(" ".join(phrase.split()) for phrase in text.split(","))


FILLERS = words("um uh uhm umm uhh erm er err hm hmm hmmm mm mmm ehm")
"""Fillers: they announce that more is coming (Clark and Fox Tree 2002)."""

MOMENT = _phrases("""
    you know, i mean, let me see, let me think, let's see, hold on, hang on, wait, wait a minute, wait a
    second, one moment, just a moment, one second, just a second, give me a second, give me a moment, how do i
    say, what's it called, what is it called, sort of, kind of
""")
"""Phrases that hold the turn while somebody thinks."""

NEVER_LAST = words("""
    a an the and or but nor because if although though unless whether whereas than my your our their every
    into onto very i'm you're we're they're it's that's there's he's she's who's what's where's here's i'll
    you'll we'll they'll it'll i've you've we've they've i'd let's gonna wanna gotta
""")
"""No English sentence ends with these, whatever a recogniser punctuates."""

PREPOSITIONS = words("""
    of to from with for in on at by about through between among during without under toward towards against
    per via like as until since before after around behind near inside outside
""")
"""These seldom end a sentence, except a question ("where are you from")."""

STRANDED = frozenset({("where", "from"), ("where", "to"), ("what", "like"), ("what", "for")})
"""Question words and the preposition that ends their questions."""

OPEN_ENDS = _phrases("""
    i think, i guess, i believe, i suppose, i wonder, i know that, would like, i'd like, tell me, give me,
    show me, let me, send me, bring me, ask you, what about, how about, a lot of, the same
""")
"""Phrases that an object or a clause usually follows."""

WH_BEFORE = words("know sure say tell me so then but and that's remember understand explain guess or")
"""After these a question word may end the sentence ("I know why")."""
SO_BEFORE = words("think thinks hope hopes guess said say says told suppose do believe or even not is")
"""After these "so" may end the sentence ("I think so"); elsewhere more follows."""

OPENERS = words("so and but well okay ok oh um uh hey hi hello please now then also yes no yeah")
"""Words skipped at the beginning when looking for a question."""

CALLS = words("hey ok okay so oh yo and um uh")
"""Words that leave a name a mere call ("hey Ada")."""

ANSWERS = frozenset(
    _phrases("""
    yes, no, yeah, yep, yup, nope, nah, ok, okay, sure, right, maybe, perhaps, exactly, absolutely,
    definitely, correct, fine, great, good, never, nothing, uh-huh, uh huh, mhm, aha, of course, not really,
    not yet, no thanks, no thank you, yes please, please, please do, i don't know, i think so, i guess so, i
    hope so, that's right, that's it, that's all, sounds good, got it, i see, me too, thanks, thank you, thank
    you very much, thanks a lot, never mind, hello, hi, hi there, hello there, good morning, good evening,
    goodbye, bye, good night, see you, stop, go on, go ahead, all right, alright, yes sir, why, why not, what,
    who, where, when, how, how come, really, sorry, pardon
""")
)
"""Whole turns, however short."""
YES_NO = words("yes no yeah yep yup nope nah sure ok okay")
CLOSERS = _phrases("please, thanks, thank you, bye, goodbye, right now, too, again, as well")
"""A statement that ends with one of these is complete, even without punctuation."""
