"""Decisions: bounds, order, pace, doubt, staleness, a learned model; and that each says why."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.turn.endpointing.pauses import PauseStatistics
from voicebot.turn.endpointing.policies import (
    DynamicEndpointing,
    FixedEndpointing,
    LearnedEndpointing,
    Pause,
    delays,
)
from voicebot.turn.endpointing.settings import EndpointingSettings
from voicebot.turn.endpointing.text import Ending

DEFAULT = EndpointingSettings()
TEXTS = [
    "", "What is it?", "I like tea.", "yes", "what is the weather", "the sea is deep", "it is 5", "Well,",
    "ada", "i like tea and", "um", "five five five", "my email is ada", "\u4f60\u597d\u3002",
]  # fmt: skip
COMPLETE = ["What is it?", "I like tea.", "yes", "what is the weather"]
INCOMPLETE = ["it is 5", "Well,", "ada", "i like tea and", "um", "five five five"]


def pause(text: str = "", **known: object) -> Pause:
    return dataclasses.replace(Pause("anna", 0.1, 2.0, text, names=("Ada",)), **known)  # type: ignore[arg-type]


def delay(text: str, **known: object) -> float:
    return DynamicEndpointing().decide(pause(text, **known)).delay_s


@st.composite
def settings(draw: st.DrawFn) -> EndpointingSettings:
    low, neutral, high = sorted(draw(st.tuples(*[st.floats(0.05, 6.0)] * 3)))
    return EndpointingSettings(min_delay=low, delay=neutral, max_delay=high)


@st.composite
def statistics(draw: st.DrawFn) -> PauseStatistics | None:
    seen = draw(st.none() | st.lists(st.none() | st.floats(0.0, 5.0), max_size=150))
    if seen is None:
        return None
    known = PauseStatistics()
    for seconds in seen:
        known.ended() if seconds is None else known.went_on(seconds)
    return known


pauses = st.builds(
    pause,
    st.sampled_from(TEXTS) | st.text(max_size=30),
    text_lag_s=st.floats(0, 3),
    language=st.sampled_from(["", "en", "de"]),
    statistics=statistics(),
    speech_probability=st.none() | st.floats(0, 1),
    end_probability=st.none() | st.floats(0, 1),
)


def test_a_fixed_silence_is_the_same_for_everybody() -> None:
    assert FixedEndpointing(0.7).decide(pause("and")) == FixedEndpointing(0.7).decide(pause("Yes."))
    assert FixedEndpointing(0.7).decide(pause()).reason == "fixed silence of 0.7 s"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("What is it?", "a complete question: 0.3 s"),
        ("i like tea and", "ends with 'and': 1.5 s"),
        ("um", "ends with 'um': 2 s"),
        ("my number is five five", "a number is being dictated: 2 s"),
        ("", "no words yet: 0.5 s"),
    ],
)
def test_a_reason_names_what_decided_and_the_delay(text: str, reason: str) -> None:
    assert DynamicEndpointing().decide(pause(text)).reason == reason


def test_delays_grow_with_how_unfinished_the_words_are() -> None:
    order = [
        "Is it late?", "yes", "It is late.", "the sea is deep", "it is 5", "Well,", "ada", "tea and",
        "um",
    ]  # fmt: skip
    found = [delay(text) for text in order]
    assert found == sorted(found)
    assert len(set(found)) == len(found)


def test_every_ending_has_a_delay() -> None:
    assert set(delays(DEFAULT)) == set(Ending)


@given(settings(), pauses, st.sampled_from([DynamicEndpointing, LearnedEndpointing]))
def test_delays_stay_within_the_bounds_and_are_deterministic(
    given_settings: EndpointingSettings,
    given_pause: Pause,
    kind: type[DynamicEndpointing] | type[LearnedEndpointing],
) -> None:
    decision = kind(given_settings).decide(given_pause)
    assert given_settings.min_delay - 0.001 <= decision.delay_s <= given_settings.max_delay + 0.001
    assert decision == kind(given_settings).decide(given_pause)
    assert decision.reason.endswith(" s")


@given(settings(), pauses, st.sampled_from(COMPLETE), st.sampled_from(INCOMPLETE))
def test_complete_words_never_wait_longer_than_incomplete_ones(
    given_settings: EndpointingSettings, given_pause: Pause, complete: str, incomplete: str
) -> None:
    dynamic = DynamicEndpointing(given_settings)
    known = dataclasses.replace(given_pause, language="en", names=("Ada",))
    done, open_ = (dynamic.decide(dataclasses.replace(known, text=text)) for text in (complete, incomplete))
    plain = dynamic.decide(dataclasses.replace(known, text="the sea is deep"))
    assert done.delay_s <= plain.delay_s <= open_.delay_s
    assert open_.expects_more
    assert not done.expects_more


@given(settings(), pauses, st.floats(0, 1), st.floats(0, 1))
def test_a_surer_model_never_waits_longer(
    given_settings: EndpointingSettings, given_pause: Pause, one: float, two: float
) -> None:
    low, high = sorted((one, two))
    learned = LearnedEndpointing(given_settings)
    unsure, sure = (learned.decide(dataclasses.replace(given_pause, end_probability=p)) for p in (low, high))
    assert sure.delay_s <= unsure.delay_s


def test_the_model_chooses_a_bound_and_the_words_decide_until_it_answers() -> None:
    learned = LearnedEndpointing()
    assert learned.decide(pause("and", end_probability=0.9)).delay_s == DEFAULT.min_delay
    assert learned.decide(pause("Yes.", end_probability=0.1)).delay_s == DEFAULT.max_delay
    assert learned.decide(pause("Yes.")) == DynamicEndpointing().decide(pause("Yes."))
    assert (
        learned.decide(pause(end_probability=0.1)).reason == "the model finds the turn incomplete (0.10): 3 s"
    )


def test_a_stale_transcript_does_not_count_as_complete() -> None:
    assert delay("Is it late?", text_lag_s=0.3) == DEFAULT.min_delay
    late = DynamicEndpointing().decide(pause("Is it late?", text_lag_s=0.5))
    assert late.delay_s == DEFAULT.delay
    assert "the newest words are not known yet" in late.reason
    assert delay("i like tea and", text_lag_s=0.5) == DEFAULT.unfinished_delay


def test_a_doubtful_silence_waits_longer() -> None:
    assert delay("Is it late?", speech_probability=0.1) == DEFAULT.min_delay
    doubtful = DynamicEndpointing().decide(pause("Is it late?", speech_probability=0.3))
    assert doubtful.delay_s == pytest.approx(DEFAULT.min_delay * DEFAULT.doubt_factor)
    assert "the silence is doubtful (speech at 0.30)" in doubtful.reason


def test_the_delay_follows_the_speakers_pauses() -> None:
    slow, quick = PauseStatistics(), PauseStatistics()
    for _ in range(30):
        slow.went_on(1.2)
        slow.ended()
        quick.ended()
    assert delay("the sea is deep", statistics=PauseStatistics()) == DEFAULT.delay
    assert delay("the sea is deep", statistics=slow) > DEFAULT.delay * 1.3
    assert DEFAULT.min_delay <= delay("the sea is deep", statistics=quick) < DEFAULT.delay
    assert (
        "this speaker makes long pauses (x2.5)"
        in DynamicEndpointing().decide(pause("Ok.", statistics=slow)).reason
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_delay": 0.0},
        {"min_delay": 0.6},
        {"max_delay": 0.4},
        {"min_delay": float("nan")},
        {"quickest_pace": 1.5},
        {"slowest_pace": 0.5},
    ],
)
def test_contradictory_bounds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must hold"):
        EndpointingSettings(**wrong)
