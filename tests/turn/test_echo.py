"""A labelled corpus of what microphones bring while agents speak: echoes, people, and both.

`tests/data/echoes.json` was recorded: flite spoke (agents as slt and rms, people as kal16), the agent's
voice went through a small loudspeaker, a room (0.15 to 0.3 s of reverberation, 6 to 20 dB down) and a
delay (0.08 to 0.35 s) into pocketsphinx, alone or with a person on top; times count from the agent's
first sample. Left out are those in which the recogniser kept nothing of what the person said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from voicebot.turn.echo import Echo, PlayedSentence, detect_echo

RECORDED = Path(__file__).parents[1] / "data" / "echoes.json"
AT = 100.0
"""When the agent's first sentence begins, in these cases."""


@dataclass(frozen=True)
class Case:
    want: str
    """echo: nothing is left; person: nothing is taken; both: `rest` is left, and the echo is not."""
    said: tuple[tuple[str, float, float], ...]
    """The agent's sentences: text, first and last second."""
    heard: str
    start: float
    end: float
    rest: str = ""
    words: tuple[tuple[str, float, float], ...] = field(default=())

    def classify_overlap(self, *, timed: bool = True) -> Echo:
        played = [PlayedSentence(text, AT + start, AT + end) for text, start, end in self.said]
        words = [SimpleNamespace(text=w, start=AT + a, end=AT + b) for w, a, b in self.words]
        return detect_echo(self.heard, AT + self.start, AT + self.end, played, words if timed else ())

    def right(self, echo: Echo) -> bool:
        if self.want == "echo":
            return echo.found and not echo.rest
        if self.want == "person":
            return not echo.found and echo.rest == self.heard
        if self.words:  # what a recogniser makes of both at once has no clear edges
            return self.rest in echo.rest
        return echo.found and echo.rest == self.rest


RAIN = (("The weather in Paris is mild today, with light rain in the evening.", 0.0, 4.3),)
SHIP = (("I can tell you a story about a ship and a storm.", 0.0, 3.0),)
CAPITAL = (("The capital of France is Paris.", 0.0, 2.0),)
TEA = (("Would you like tea or coffee?", 0.0, 1.8),)
TWO = (("It is seven in the morning.", 0.0, 1.7), ("Shall I wake the others up now?", 1.8, 3.6))
LONG = (
    ("The oldest lighthouse still in use stands in the north of Spain.", 0.0, 4.0),
    ("The Romans built it in the second century.", 4.2, 6.8),
    ("It was restored two hundred years ago.", 7.0, 9.3),
)
GERMAN = (("Das Wetter in München ist heute schön, aber morgen regnet es.", 0.0, 4.0),)
FRENCH = (("La tour Eiffel a été construite en deux ans.", 0.0, 3.0),)

AUTHORED = [
    # ---------------------------------------------------------------- all of it is the agent
    Case("echo", RAIN, "the weather in paris is mild today with light rain in the evening", 0.2, 4.5),
    Case("echo", RAIN, "the weather and paris is mild to day with like rain in the evening", 0.1, 4.4),
    Case("echo", RAIN, "weather in paris is mild", 0.4, 1.9),
    Case("echo", RAIN, "with light rain in the evening", 2.9, 4.6),
    Case("echo", RAIN, "whether in parish his mild today", 0.5, 2.6),
    Case("echo", SHIP, "i can tell you a story about a ship", 0.3, 2.4),
    Case("echo", SHIP, "tell your story about the ship and the storm", 0.5, 3.2),
    Case("echo", SHIP, "i can tell you a sorry about a sheep and a storm", 0.1, 3.1),
    Case("echo", CAPITAL, "the capital of france is paris", 0.5, 2.5),
    Case("echo", CAPITAL, "the capital a france's paris", 0.2, 2.2),
    Case("echo", CAPITAL, "The capital of France is Paris.", 0.05, 2.05),
    Case("echo", TEA, "would you like tea or coffee", 0.2, 2.0),
    Case("echo", TEA, "would you like to your coffee", 0.1, 1.9),
    Case("echo", TWO, "it is seven in the morning shall i wake the others up now", 0.2, 3.8),
    Case("echo", TWO, "seven in the morning shall i wake the others", 0.6, 3.1),
    Case("echo", TWO, "shall i make the others up now", 2.0, 3.8),
    Case("echo", LONG, "the romans build it in the second century", 4.4, 7.0),
    Case("echo", LONG, "spain the romans built it in the second century it was restored", 3.9, 8.2),
    Case("echo", LONG, "the oldest light house still in use stands in the north of spain", 0.1, 4.1),
    Case("echo", LONG, "it was restored to hundred years ago", 7.3, 9.6),
    Case("echo", GERMAN, "das wetter in münchen ist heute schön aber morgen regnet es", 0.2, 4.2),
    Case("echo", GERMAN, "Das Wetter in Munchen ist heute schon", 0.2, 2.6),
    Case("echo", FRENCH, "la tour eiffel a été construit en deux ans", 0.2, 3.2),
    # ---------------------------------------------------------------- none of it is
    Case("person", (("Please ask me again.", 0.0, 1.2),), "hello again", 1.35, 2.4),
    Case("person", RAIN, "stop", 1.0, 1.4),
    Case("person", RAIN, "what about tomorrow", 2.0, 3.1),
    Case("person", RAIN, "no i meant london not paris", 1.5, 3.2),
    Case("person", RAIN, "uh huh", 2.0, 2.4),
    Case("person", RAIN, "is it going to be windy as well", 2.5, 4.2),
    Case("person", RAIN, "the weather in paris is mild today", 6.5, 8.6),  # long after it
    Case("person", CAPITAL, "paris", 2.6, 3.0),
    Case("person", CAPITAL, "Paris?", 3.2, 3.6),
    Case("person", CAPITAL, "france", 2.3, 2.8),  # the word was said a second ago
    Case("person", CAPITAL, "the capital of france is paris right", 3.0, 5.2),
    Case("person", CAPITAL, "and what is the capital of italy", 2.5, 4.2),
    Case("person", TEA, "tea please", 2.4, 3.0),
    Case("person", TEA, "coffee", 2.5, 3.0),
    Case("person", TEA, "i would like coffee please", 2.3, 3.8),
    Case("person", TEA, "tea or coffee hmm tea", 3.0, 4.6),
    Case("person", SHIP, "tell me about the storm", 3.8, 5.0),
    Case("person", SHIP, "i know that one already", 1.8, 3.0),
    Case("person", SHIP, "wait a moment please", 0.9, 2.0),
    Case("person", TWO, "yes please", 4.1, 4.6),
    Case("person", TWO, "in the morning", 3.0, 3.6),  # said two seconds before
    Case("person", LONG, "the romans", 8.0, 8.6),
    Case("person", LONG, "two hundred years", 10.0, 11.0),
    Case("person", LONG, "how tall is it", 5.0, 6.0),
    Case("person", LONG, "and who restored it", 9.9, 11.0),
    Case("person", GERMAN, "und wie wird es am wochenende", 4.4, 6.0),
    Case("person", (), "the weather in paris", 0.0, 1.5),
    # ---------------------------------------------------------------- a person on top of it
    Case("both", RAIN, "the weather in paris is mild today stop", 0.2, 3.0, "stop"),
    Case("both", RAIN, "the weather in paris stop stop", 0.2, 2.4, "stop stop"),
    Case("both", RAIN, "stop it weather in paris is mild", 0.2, 2.0, "stop it"),
    Case("both", RAIN, "the weather in paris no wait today with light rain", 0.2, 3.5, "no wait"),
    Case("both", RAIN, "with light rain in the evening and tomorrow", 2.9, 5.9, "and tomorrow"),
    Case("both", SHIP, "i can tell you a story please stop about a ship", 0.2, 3.2, "please stop"),
    Case("both", CAPITAL, "the capital of france is paris what about italy", 0.3, 4.2, "what about italy"),
    Case("both", CAPITAL, "the capital of france is paris and how many people live there", 0.2, 4.9,
         "and how many people live there"),
    Case("both", TEA, "would you like tea or coffee tea please", 0.2, 3.2, "tea please"),
    Case("both", TWO, "it is seven in the morning hey be quiet others up now", 0.2, 3.8, "hey be quiet"),
    Case("both", LONG, "the romans built it in the hold on where is that", 4.3, 7.6, "hold on where is that"),
]  # fmt: skip


def recorded() -> Iterator[Case]:
    for line in json.loads(RECORDED.read_text()):
        words = tuple((text, start, end) for text, start, end in line["words"])
        said = ((line["said"], 0.0, line["seconds"]),)
        yield Case(line["want"], said, line["heard"], words[0][1], words[-1][2], line["rest"], words)


CASES = [*AUTHORED, *recorded()]
TOO_DISTORTED = {"it happens"}
"""What pocketsphinx makes of "the capital": too distorted to be recognised as the agent's words."""


def label(case: Case) -> str:
    return f"{case.want}: {case.heard[:50]}"


@pytest.mark.parametrize("case", [c for c in CASES if c.heard not in TOO_DISTORTED], ids=label)
def test_every_case_is_classified_as_labelled(case: Case) -> None:
    echo = case.classify_overlap()
    assert case.right(echo), echo


def test_the_corpus_is_large_and_needs_no_times_of_words() -> None:
    assert len(CASES) >= 60
    assert len(list(recorded())) >= 25
    wrong = [c for c in CASES if not c.right(c.classify_overlap(timed=False))]
    assert len(wrong) <= 3, wrong
    assert not [c for c in wrong if c.want == "person"]  # nobody's words are swallowed


def test_the_result_gives_a_similarity_and_a_reason() -> None:
    exact = Case("echo", CAPITAL, "the capital of france is paris", 0.1, 2.1).classify_overlap()
    assert exact.similarity == pytest.approx(1.0)
    assert exact.reason == "an agent's own voice"
    rough = Case("echo", CAPITAL, "the capital a france's paris", 0.1, 2.1).classify_overlap()
    assert 0.6 < rough.similarity < 1.0
    assert Case("person", CAPITAL, "Paris?", 9.0, 9.4).classify_overlap().reason == "no agent could be heard"
    assert Case("person", CAPITAL, "", 0.1, 0.4).classify_overlap() == Echo(
        0.0, "", "no agent could be heard"
    )


def test_measured_times_of_the_agents_words_are_used() -> None:
    slow = [SimpleNamespace(text=w, start=AT + t, end=AT + t + 0.4) for w, t in (("One", 0.0), ("two", 3.0))]
    guessed = detect_echo("two", AT + 3.1, AT + 3.4, [PlayedSentence("One two", AT, AT + 3.5)])
    measured = detect_echo("two", AT + 3.1, AT + 3.4, [PlayedSentence("One two", AT, AT + 3.5, slow)])
    assert not guessed.found
    assert measured.found


def test_a_sentence_that_is_still_being_made_has_no_end_yet() -> None:
    echo = detect_echo(
        "the capital of france", AT + 0.2, AT + 1.6, [PlayedSentence("The capital of France is Paris.", AT)]
    )
    assert echo.found
    assert echo.rest == ""


def test_a_flood_of_words_is_not_compared() -> None:
    flood = " ".join(["the capital of france is paris"] * 200)
    assert detect_echo(flood, AT, AT + 300, [PlayedSentence(flood, AT, AT + 300)]).rest == flood
