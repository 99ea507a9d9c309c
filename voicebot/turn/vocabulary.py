"""English word lists for addressing and endpointing; other languages find names without most of them."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


OPENERS = words("""
    hey hi hello hallo hola bonjour ciao salut okay ok alright so and but or well now oh ah um uh yes yeah no
    thanks thank you please dear sorry then also good morning evening afternoon night bye goodbye welcome
    listen look excuse me great right sure maybe
""")
"""Words that may precede a name at the start of a sentence."""
GREETINGS = words("""
    hey hi hello hallo hola bonjour ciao salut thanks okay ok sorry please dear morning evening afternoon
    night bye goodbye welcome alright
""")
"""Openers after which only a name is expected."""
ABOUT = words("""
    a an the my your his her our their this that about with from for like than of to by at without was is are
    were be been being told tell tells telling said asked ask asks asking see saw seen know knows knew love
    loves liked likes met meet hear heard believe trust call called named name's hate miss missed help helped
    thinks because when if while as what where how why did does do let give gave show showed find found
    remember it's i'm not only mit von uber fur zu habe con de avec pour sur
""")
"""Words after which a name is mentioned, not called."""
THIRD = words("""
    is was has had does said told thinks knows would will can could should might must may never always just
    only also often already went came thought knew made got gave took saw wrote meant fell are were have did
    ate left and's who's isn't wasn't doesn't didn't hasn't won't can't couldn't wouldn't from with ist war
    hat sagt sagte meint dice dijo dit
""")
"""Words that make the name before them the subject."""
NOT_A_VERB = words("""
    yes this as us thanks perhaps sometimes always guess what's who's where's how's that's it's here's there's
    let's let his its plus unless need indeed does is was has else yours less
""")
AUXILIARIES = words("""
    is are was were am be been being has have had do does did will would can could should may might must shall
""")
NEGATED = words("""
    isn't aren't wasn't weren't haven't hasn't hadn't don't doesn't didn't won't wouldn't can't couldn't
    shouldn't mustn't
""")
AUXILIARY = AUXILIARIES | NEGATED
PRONOUNS = words("i you we he she it they this that there these those your my anyone anybody everyone")
QUESTION_WORDS = words("""
    what why how when where who which whose whom what's who's how's where's when's what're how're what'd
""")
REQUESTS = words("""
    tell say be give explain help listen show make go come stop wait repeat sing read play start begin
    continue describe introduce please remind answer try look let don't speak talk guess imagine take hold
    check turn
""")
SIGNS = words("""
    uh huh uh-huh mhm mm mm-hmm hm hmm yeah yes yep right ok okay sure aha ah oh wow nice cool great i see
    haha hah ha true exactly indeed good no nope well
""")
"""A line made only of these is a backchannel."""
PREPOSITIONS = words("in at of for from with by the this that my your")
"""No misheard name of two words begins with one of these."""
EVERYONE = words("everyone everybody anyone anybody someone somebody")
GREETED = words("""
    hello hi hey morning evening afternoon night bye goodbye thanks welcome then think asking okay first you
    about
""")
"""Words after which "everyone" is addressed."""
AFTER_NOUN = words("""
    who whose that which from with in of and at for to on but by as living working named called obsessed about
    without through turned always never is was
""")
"""Words that end a role ("a doctor who ...")."""
NO_SUBJECT = words("""
    about after again always answer because before being could every everyone everything friendly gentle great
    likes loves never other people person really short small speak speaks still talks think things those under
    voice where which while world would years young sharp brief
""")
"""Words of a persona's description that say nothing about its subject."""
HAND_OVER = words("tell explain say share describe continue help please")
"""Words after a name with which an agent hands over without a question."""
EVERYDAY = (
    OPENERS
    | SIGNS
    | AUXILIARY
    | PRONOUNS
    | QUESTION_WORDS
    | REQUESTS
    | words("""
    guys everybody someone again man men today too all people anyway about here a an the of to in on at for
    from with not idea story thing things one ones way day time guy question place week year just because if
    as more something anything nothing really very still even only mate buddy friend friends folks team sir
    mom dad much long far often many later tomorrow tonight yesterday stuff subject matter topic problem plan
    news game book song movie film picture house them him her us person world life hand part child eye woman
    work case point government company number group fact school state family country system program water room
    mother father area money issue side kind head hour line end law car city name minute kid body back level
    door health art war history party result change reason girl boy boys moment air teacher job word month
    first second third once twice never ever always sometimes soon early yet already almost enough instead
    fine alone perfect amazing brilliant interesting funny beautiful wonderful serious terrible strange louder
    slower faster better worse best new old big small little young other another next last same different god
    lord mister miss missus madam doctor professor ladies gentlemen kids baby honey love darling sweetheart
    wanna gonna gotta want need like think know mean feel hear keep put get got use call ask made went came
    took done said told thought under over after before between without into out up down off away home music
    dinner lunch breakfast coffee tea food phone computer weather monday tuesday wednesday thursday friday
    saturday sunday until since while whenever whatever whoever wherever whether neither both each every few
    most half whole hundred thousand million two three four five six seven nine ten zero today's
""")
)
"""Words that are never taken for a misheard name, the most frequent English nouns among them."""
