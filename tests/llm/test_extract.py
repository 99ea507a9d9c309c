from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from voicebot.llm.extract import extract
from voicebot.llm.lines import ChatLine

LINES = [
    ChatLine("Anna", "Hello. My boat is called Pip. How are you?"),
    ChatLine("", "I am fine, Anna."),
    ChatLine("Tom", "The ferry leaves at 9 tomorrow. Nice weather."),
]


def test_a_summary_keeps_what_people_say_about_themselves_in_order() -> None:
    summary = extract("", LINES, 120)
    assert summary.index('Anna said: "My boat is called Pip."') < summary.index("The ferry leaves at 9")
    assert "How are you" not in summary


def test_numbers_and_addresses_do_not_end_sentences() -> None:
    lines = [
        ChatLine("Anna", "My boat costs 3.50 euros. See example.com!"),
        ChatLine("Li", "\u6211\u662f\u674e\u3002\u4f60\u597d\u3002"),
    ]
    said = ["My boat costs 3.50 euros.", "See example.com!", "\u6211\u662f\u674e\u3002", "\u4f60\u597d\u3002"]
    assert re.findall('"(.*?)"', extract("", lines, 200)) == said


def test_the_previous_summary_stays_as_long_as_it_fits() -> None:
    before = extract("", LINES[:1], 60)
    assert extract(before, LINES[2:], 200).startswith(before)
    old = " ".join(f'Anna said: "I have {n} boats."' for n in range(20))
    shortened = extract(old, LINES[2:], 200)
    assert shortened.startswith('Anna said: "I have ')
    assert "19 boats" in shortened
    assert "The ferry leaves at 9 tomorrow." in shortened


@given(
    st.text(max_size=200),
    st.lists(st.builds(ChatLine, st.sampled_from(["", "Anna"]), st.text(max_size=80)), max_size=8),
    st.integers(0, 200),
)
def test_a_summary_is_never_too_long(before: str, lines: list[ChatLine], longest: int) -> None:
    assert len(extract(before, lines, longest)) <= longest
