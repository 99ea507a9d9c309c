from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicebot.turn import Piece, heard


def test_whole_pieces_and_a_part_of_the_last_by_words() -> None:
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
def test_heard_and_unheard_make_the_planned_text(made: list[Piece]) -> None:
    result = heard(made)
    planned = " ".join(" ".join(p.text for p in made).split())
    assert " ".join(f"{result.text} {result.unheard}".split()) == planned


@given(st.text("abc ", min_size=1, max_size=60), st.floats(0.1, 9), st.floats(0, 1), st.floats(0, 1))
def test_more_played_is_never_less_heard(text: str, queued: float, one: float, two: float) -> None:
    low, high = sorted((one, two))
    less = heard([Piece(text, queued * low, queued)]).text
    more = heard([Piece(text, queued * high, queued)]).text
    assert more.startswith(less)
