from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicebot.turn.heard import Piece, heard, word_ends


def test_whole_pieces_and_the_played_words_of_the_last_one_are_heard() -> None:
    result = heard(
        [
            Piece("It rains.", 0.8, 0.8),
            Piece("one two three four five", 1.0, 2.0),
            Piece("Never begun."),
        ]
    )
    assert result.text == "It rains. one two"
    assert result.unheard == "three four five Never begun."


def test_a_frame_lost_at_the_end_does_not_cost_a_word() -> None:
    assert heard([Piece("It rains.", 0.79, 0.8)]).text == "It rains."


def test_an_unfinished_piece_is_measured_by_the_rate_of_the_others() -> None:
    first = Piece("x" * 20, 2.0, 2.0)  # 10 characters a second
    text = "aaaa bbbb cccc dddd"  # so about 1.9 s, of which only 1 s was made and played
    assert heard([first, Piece(text, 1.0, 1.0, synthesized=False)]).text == "x" * 20 + " aaaa bbbb"


pieces = st.lists(
    st.builds(
        lambda text, queued, share, done: Piece(text, queued * share, queued, done),
        st.text("abc ,.", max_size=40),
        st.floats(0, 10),
        st.floats(0, 1),
        st.booleans(),
    ),
    max_size=6,
)


@given(pieces)
def test_heard_and_unheard_add_up_to_the_planned_text(made: list[Piece]) -> None:
    result = heard(made)
    planned = " ".join(" ".join(p.text for p in made).split())
    assert " ".join(f"{result.text} {result.unheard}".split()) == planned


@given(st.text("abc ", min_size=1, max_size=60), st.floats(0.1, 9), st.floats(0, 1), st.floats(0, 1))
def test_playing_more_never_reduces_what_was_heard(text: str, queued: float, one: float, two: float) -> None:
    low, high = sorted((one, two))
    less = heard([Piece(text, queued * low, queued)]).text
    more = heard([Piece(text, queued * high, queued)]).text
    assert more.startswith(less)


def test_reported_word_ends_decide() -> None:
    ends = (0.1, 0.2, 1.5, 1.6)  # a long pause before the third word
    assert heard([Piece("one two three four", 1.0, 1.8, ends=ends)]).text == "one two"
    assert heard([Piece("one two three four", 1.0, 1.8)]).text == "one two"
    assert heard([Piece("one two three four", 1.5, 1.8, ends=ends)]).text == "one two three"
    assert heard([Piece("one two", 0.0, 1.8, ends=(0.0, 1.0))]).text == ""


def test_word_ends_are_found_for_words_that_a_voice_reads_differently() -> None:
    spoken = [("it", 0.2), ("is", 0.4), ("twenty", 0.8), ("two", 1.0), ("degrees", 1.5)]
    assert word_ends("It is 22 degrees.", spoken) == (0.2, 0.4, 1.5, 1.5)
    assert word_ends("It is warm, 22", spoken) == (0.2, 0.4, 1.5, 1.5)
    assert word_ends("It is warm", spoken[:2]) == (0.2, 0.4, float("inf"))
    assert word_ends("Quite another text", spoken) == ()
    assert word_ends("", spoken) == ()
    assert word_ends("It is", []) == ()


def test_words_that_a_voice_has_not_reached_were_not_heard() -> None:
    text, told = "It costs 22 dollars and then we went home.", [("it", 0.2), ("costs", 0.4), ("twenty", 0.8)]
    ends = word_ends(text, told, complete=False)
    assert ends == (0.2, 0.4, *[float("inf")] * 7)
    assert heard([Piece(text, 0.9, 0.9, synthesized=False, ends=ends)]).text == "It costs"


@given(st.lists(st.sampled_from("ab"), max_size=8), st.lists(st.sampled_from("ab"), max_size=8))
def test_word_ends_never_decrease(text: list[str], told: list[str]) -> None:
    ends = word_ends(" ".join(text), [(word, at + 1.0) for at, word in enumerate(told)])
    assert len(ends) in (0, len(text))
    assert list(ends) == sorted(ends)
