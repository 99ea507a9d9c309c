"""English words by what they say about the end of a turn. Lower case, straight apostrophes."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(" ".join(phrase.split()) for phrase in text.split(","))


FILLERS = _words(
    """
    um uh uhm umm uhh erm er err hm hmm hmmm mm mmm ehm
    """
)
"""Announce that more is coming (Clark and Fox Tree 2002)."""

MOMENT = _phrases(
    """
    you know, i mean, let me see, let me think, let's see, hold on, hang on, wait, wait a minute, wait a
    second, one moment, just a moment, one second, just a second, give me a second, give me a moment,
    how do i say, what's it called, what is it called, sort of, kind of
    """
)
"""Said to keep the turn while thinking."""

NEVER_LAST = _words(
    """
    a an the and or but nor because if although though unless whether whereas than my your our their
    every into onto very i'm you're we're they're it's that's there's he's she's who's what's where's
    here's i'll you'll we'll they'll it'll i've you've we've they've i'd let's gonna wanna gotta
    """
)
"""No English sentence ends so, whatever a recogniser punctuates."""

PREPOSITIONS = _words(
    """
    of to from with for in on at by about through between among during without under toward towards
    against per via like as until since before after around behind near inside outside
    """
)
"""End a sentence only where it is a question ("where are you from") or seldom."""

STRANDED = frozenset({("where", "from"), ("where", "to"), ("what", "like"), ("what", "for")})
"""Question words with the preposition that ends their questions."""

OPEN_ENDS = _phrases(
    """
    i think, i guess, i believe, i suppose, i wonder, i know that, would like, i'd like, tell me, give me,
    show me, let me, send me, bring me, ask you, what about, how about, a lot of, the same
    """
)
"""An object or a clause follows more often than not."""

AUXILIARIES = _words(
    """
    is are was were am be been being has have had do does did will would can could should may might must
    shall
    """
)
NEGATED = _words(
    """
    isn't aren't wasn't weren't haven't hasn't hadn't don't doesn't didn't won't wouldn't can't couldn't
    shouldn't mustn't
    """
)
PRONOUNS = _words(
    """
    i you he she it we they this that these those there
    """
)

WH_WORDS = _words(
    """
    what who whom whose which where when why how
    """
)
WH_BEFORE = _words(
    """
    know sure say tell me so then but and that's remember understand explain guess or
    """
)
""""I know why": after these a question word may stand at the end."""
SO_BEFORE = _words(
    """
    think thinks hope hopes guess said say says told suppose do believe or even not is
    """
)
""""I think so", "or so": elsewhere a last "so" goes on."""

OPENERS = _words(
    """
    so and but well okay ok oh um uh hey hi hello please now then also yes no yeah
    """
)
"""Skipped at the beginning, to see whether a question follows."""

CALLS = _words(
    """
    hey ok okay so oh yo and um uh
    """
)
"""Before a name, these still only call."""

ANSWERS = frozenset(
    _phrases(
        """
    yes, no, yeah, yep, yup, nope, nah, ok, okay, sure, right, maybe, perhaps, exactly, absolutely,
    definitely, correct, fine, great, good, never, nothing, uh-huh, uh huh, mhm, aha, of course, not
    really, not yet, no thanks, no thank you, yes please, please, please do, i don't know, i think so, i
    guess so, i hope so, that's right, that's it, that's all, sounds good, got it, i see, me too,
    thanks, thank you, thank you very much, thanks a lot, never mind, hello, hi, hi there, hello there,
    good morning, good evening, goodbye, bye, good night, see you, stop, go on, go ahead, all right,
    alright, yes sir, why, why not, what, who, where, when, how, how come, really, sorry, pardon
    """
    )
)
"""Whole turns, however short."""
YES_NO = _words(
    """
    yes no yeah yep yup nope nah sure ok okay
    """
)
CLOSERS = _phrases(
    """
    please, thanks, thank you, bye, goodbye, right now, too, again, as well
    """
)
"""A statement that ends so is done, also without punctuation."""

DIGITS = _words(
    """
    zero oh one two three four five six seven eight nine
    """
)
NUMBERS = _words(
    """
    ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty
    fifty sixty seventy eighty ninety hundred thousand million billion
    """
)
WITHIN_NUMBERS = _words(
    """
    double triple point dash hyphen minus plus
    """
)
HALVES_OF_THE_DAY = _phrases("a m, p m")
"""Letters that end a time of day."""
MONTHS = _words(
    """
    january february march april may june july august september october november december
    """
)
BEFORE_ONE = _words(
    """
    that this which the another no any some every each good last next first other only a
    """
)
""""That one" is no number."""
DICTATES = _words(
    """
    number phone telephone mobile code pin zip postcode password card account extension serial spelled
    spelt spell spelling isbn licence license plate reference order
    """
)
"""Of which digits and letters follow one group after another."""
ADDRESS = _words(
    """
    at dot underscore dash hyphen slash www
    """
)
"""Words an address is dictated with."""
DOMAINS = _words(
    """
    com org net edu gov io ai co uk de fr eu us info dev app ch at nl it es
    """
)
"""Ends of an address; a recogniser hardly writes others."""
