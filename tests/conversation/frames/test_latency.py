from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.conversation.frames.latency import PARTS, measure
from voicebot.events import (
    ConversationStarted,
    EndpointConfirmed,
    Event,
    LatencyMeasured,
    LLMFinished,
    LLMFirstSentence,
    LLMFirstToken,
    LLMStarted,
    PlayoutStarted,
    SpeculationCancelled,
    SpeculationCommitted,
    SpeculationStarted,
    SpeechStopped,
    TranscriptFinal,
    TTSFinished,
    TTSFirstAudio,
    TTSStarted,
)


def stamped(*events: Event) -> list[Event]:
    return [event.model_copy(update={"seq": seq}) for seq, event in enumerate(events)]


def human(kind: type[Event], t: float, **more: object) -> Event:
    return kind(t=t, turn_id="t1", participant_id="ann", **more)


def agent(kind: type[Event], t: float, who: str = "bot", **more: object) -> Event:
    return kind(t=t, turn_id="t1", participant_id=who, **more)


def plain_turn() -> list[Event]:
    return stamped(
        ConversationStarted(t=0, wall_clock="", lobby_id="l"),
        human(SpeechStopped, 2.0, duration_s=1.5),
        human(EndpointConfirmed, 2.5, delay_s=0.5),
        human(TranscriptFinal, 2.7, utterance_id="u", text="hello", end_t=2.0),
        agent(LLMStarted, 2.75, model="m"),
        agent(LLMFirstToken, 3.0, model="m"),
        agent(LLMFirstSentence, 3.2, model="m"),
        agent(TTSStarted, 3.25, model="v", characters=5, speech_id="s1"),
        agent(TTSFirstAudio, 3.4, model="v", speech_id="s1"),
        agent(PlayoutStarted, 3.44, speech_id="s1"),
    )


def total(measured: LatencyMeasured) -> float:
    return sum(getattr(measured, part) or 0.0 for part in PARTS)


def test_each_part_of_a_plain_turn() -> None:
    measured = measure(plain_turn(), "t1")
    assert measured is not None
    assert measured.e2e_latency == pytest.approx(1.44)
    expected = {
        "end_of_turn_delay": 0.5,
        "transcription_delay": 0.2,
        "on_user_turn_completed_delay": 0.05,
        "llm_node_ttft": 0.25,
        "llm_node_ttfs": 0.2,
        "tts_node_ttfb": 0.15,
        "playback_latency": 0.04,
        "unaccounted": 0.05,
    }
    assert {part: getattr(measured, part) for part in PARTS} == pytest.approx(expected)
    assert measured.participant_id == "bot"
    assert measured.speech_id == "s1"
    assert not measured.cancelled


def test_work_done_ahead_counts_as_zero() -> None:
    measured = measure(
        stamped(
            human(SpeechStopped, 2.0, duration_s=1.5),
            human(TranscriptFinal, 2.1, utterance_id="u", text="hello", end_t=2.0),
            agent(LLMStarted, 2.15, model="m"),
            agent(LLMFirstToken, 2.3, model="m"),
            agent(LLMFirstSentence, 2.35, model="m"),
            agent(TTSStarted, 2.35, model="v", characters=5, speech_id="s1"),
            agent(TTSFirstAudio, 2.4, model="v", speech_id="s1"),
            human(EndpointConfirmed, 2.5, delay_s=0.5),
            agent(PlayoutStarted, 2.52, speech_id="s1"),
        ),
        "t1",
    )
    assert measured is not None
    assert measured.end_of_turn_delay == pytest.approx(0.5)
    assert measured.playback_latency == pytest.approx(0.02)
    assert measured.llm_node_ttft == measured.tts_node_ttfb == measured.transcription_delay == 0
    assert total(measured) == pytest.approx(measured.e2e_latency or -1)


def test_a_discarded_speculation_is_left_out() -> None:
    turn = plain_turn()
    thrown = [
        agent(LLMStarted, 2.05, model="m"),
        agent(LLMFirstToken, 2.1, model="m"),
        agent(LLMFinished, 2.2, model="m", cancelled=True),
    ]
    measured = measure(stamped(*turn[:2], *thrown, *turn[2:]), "t1")
    assert measured is not None
    assert measured.llm_node_ttft == pytest.approx(0.25)
    assert measured.on_user_turn_completed_delay == pytest.approx(0.05)


def test_a_cancelled_turn_is_flagged_and_has_no_total() -> None:
    measured = measure(stamped(*plain_turn()[:6], agent(LLMFinished, 3.1, model="m", cancelled=True)), "t1")
    assert measured is not None
    assert measured.cancelled
    assert measured.e2e_latency is None
    assert measured.unaccounted is None
    assert measured.llm_node_ttft == pytest.approx(0.25)
    assert measured.participant_id == "bot"


def test_a_cancelled_answer_is_measured_by_its_speech_too() -> None:
    again = [
        agent(LLMStarted, 2.8, "eve", model="m", speech_id="s2"),
        agent(LLMFinished, 2.9, "eve", model="m", speech_id="s2", cancelled=True),
    ]
    events = stamped(*plain_turn(), *again)
    measured = measure(events, "t1", "s2")
    assert measured is not None
    assert (measured.participant_id, measured.speech_id, measured.cancelled) == ("eve", "s2", True)
    assert measured.llm_node_ttft is None
    assert measure(events, "t1", "s3") is None  # what another speech cancelled is not its


def test_a_turn_without_an_answer_or_speech_is_not_measured() -> None:
    assert measure([], "t1") is None
    assert measure(plain_turn(), "another") is None
    assert measure(plain_turn()[:5], "t1") is None  # the answer is still being made
    greeting = [e for e in plain_turn() if e.participant_id == "bot"]
    assert measure(greeting, "t1") is None


def test_the_second_of_two_agents_is_measured_by_its_speech() -> None:
    second = [
        agent(LLMStarted, 4.0, "eve", model="m"),
        agent(LLMFirstToken, 4.5, "eve", model="m"),
        agent(PlayoutStarted, 5.0, "eve", speech_id="s2"),
    ]
    events = stamped(*plain_turn(), *second)
    first, other = measure(events, "t1"), measure(events, "t1", "s2")
    assert first is not None
    assert other is not None
    assert (first.participant_id, other.participant_id) == ("bot", "eve")
    assert other.llm_node_ttft == pytest.approx(0.5)
    assert other.e2e_latency == pytest.approx(3.0)


def test_without_a_vad_the_transcript_tells_when_speech_ended() -> None:
    events = [e for e in plain_turn() if not isinstance(e, SpeechStopped)]
    measured = measure(events, "t1")
    assert measured is not None
    assert measured.e2e_latency == pytest.approx(1.44)


# ---------------------------------------------------------------- working ahead


def speculation(at: float, speech: str) -> list[Event]:
    """An answer that is begun at `at`, and has its first sound 0.2 s later."""
    ids = {"speech_id": speech}
    return [
        agent(SpeculationStarted, at, text="hello", **ids),
        agent(LLMStarted, at, model="m", **ids),
        agent(LLMFirstToken, at + 0.1, model="m", **ids),
        agent(LLMFirstSentence, at + 0.14, model="m", **ids),
        agent(TTSStarted, at + 0.15, model="v", characters=5, **ids),
        agent(TTSFirstAudio, at + 0.2, model="v", **ids),
    ]


def thrown_away(at: float, speech: str) -> list[Event]:
    ids = {"speech_id": speech}
    return [
        agent(
            SpeculationCancelled, at, reason="speech went on", seconds=0.3, written=20, characters=5, **ids
        ),
        agent(LLMFinished, at + 0.01, model="m", cancelled=True, **ids),  # stragglers
        agent(TTSFinished, at + 0.01, model="v", characters=5, cancelled=True, **ids),
    ]


def test_a_committed_speculation_counts_only_the_commitment_and_the_playout() -> None:
    measured = measure(
        stamped(
            human(SpeechStopped, 2.0, duration_s=1.5),
            *speculation(2.15, "s1"),
            human(EndpointConfirmed, 2.5, delay_s=0.5),
            human(TranscriptFinal, 2.52, utterance_id="u", text="hello", end_t=2.0),
            agent(SpeculationCommitted, 2.53, speech_id="s1"),
            agent(PlayoutStarted, 2.56, speech_id="s1"),
        ),
        "t1",
        "s1",
    )
    assert measured is not None
    got = {part: getattr(measured, part) for part in PARTS}
    assert got == pytest.approx(
        {
            "end_of_turn_delay": 0.5,
            "transcription_delay": 0.02,
            "on_user_turn_completed_delay": 0.01,
            "llm_node_ttft": 0.0,
            "llm_node_ttfs": 0.0,
            "tts_node_ttfb": 0.0,
            "playback_latency": 0.03,
            "unaccounted": 0.0,
        },
        abs=1e-9,
    )
    assert not measured.cancelled


def test_work_unfinished_at_the_commitment_counts_from_then_on() -> None:
    measured = measure(
        stamped(
            human(SpeechStopped, 2.0, duration_s=1.5),
            *speculation(2.45, "s1"),
            human(EndpointConfirmed, 2.5, delay_s=0.5),
            human(TranscriptFinal, 2.5, utterance_id="u", text="hello", end_t=2.0),
            agent(SpeculationCommitted, 2.5, speech_id="s1"),
            agent(PlayoutStarted, 2.7, speech_id="s1"),
        ),
        "t1",
    )
    assert measured is not None
    assert measured.on_user_turn_completed_delay == 0
    assert measured.llm_node_ttft == pytest.approx(0.05)
    assert measured.llm_node_ttfs == pytest.approx(0.04)
    assert measured.tts_node_ttfb == pytest.approx(0.05)
    assert total(measured) == pytest.approx(0.7)


@pytest.mark.parametrize("again", ["s1", "s2"])
def test_a_turn_whose_speculation_was_redone_is_measured_by_the_second(again: str) -> None:
    events = stamped(
        human(SpeechStopped, 1.0, duration_s=0.5),
        *speculation(1.1, "s1"),
        *thrown_away(1.4, "s1"),
        human(SpeechStopped, 2.0, duration_s=0.5),
        *speculation(2.2, again),
        human(EndpointConfirmed, 2.25, delay_s=0.25),
        human(TranscriptFinal, 2.25, utterance_id="u", text="hello you", end_t=2.0),
        agent(SpeculationCommitted, 2.26, speech_id=again),
        agent(PlayoutStarted, 2.5, speech_id=again),
    )
    measured = measure(events, "t1", again)
    assert measured is not None
    assert measured.e2e_latency == pytest.approx(0.5)
    assert measured.llm_node_ttft == pytest.approx(0.04)
    assert measured.tts_node_ttfb == pytest.approx(0.05)
    assert total(measured) == pytest.approx(0.5)
    assert not measured.cancelled


def test_a_discarded_answer_is_not_measured() -> None:
    begun = [human(SpeechStopped, 1.0, duration_s=0.5), *speculation(1.1, "s1")]
    events = stamped(*begun, *thrown_away(1.4, "s1"))
    assert measure(events, "t1") is None
    assert measure(events, "t1", "s1") is None
    # once it was committed it is an answer, and a cancelled one is flagged
    cancelled = agent(LLMFinished, 1.5, model="m", cancelled=True, speech_id="s1")
    measured = measure(
        stamped(*begun, agent(SpeculationCommitted, 1.3, speech_id="s1"), cancelled), "t1", "s1"
    )
    assert measured is not None
    assert measured.cancelled


KINDS = [
    *plain_turn()[1:],
    *speculation(0, "s1"),
    *thrown_away(0, "s1"),
    *speculation(0, "s2"),
    agent(SpeculationCommitted, 0, speech_id="s1"),
    agent(SpeculationCommitted, 0, speech_id="s2"),
    agent(PlayoutStarted, 0, speech_id="s2"),
    agent(TTSFinished, 0, model="v", characters=5, speech_id="s1"),
]


HAPPENINGS = st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=2)
"""When one kind of event happens, in hundredths of a second, and whether it is logged late."""


@given(st.tuples(*[HAPPENINGS] * len(KINDS)), st.sampled_from([None, "s1", "s2"]))
def test_the_parts_add_up_for_any_events_in_any_order(
    happened: tuple[list[tuple[int, bool]], ...], speech: str | None
) -> None:
    """Some at the same time; events come late, twice or never."""
    told = [
        (t / 100 + late, event.model_copy(update={"t": t / 100}))
        for event, times in zip(KINDS, happened, strict=True)
        for t, late in times
    ]
    moved = [event for _, event in sorted(told, key=lambda one: one[0])]  # as seq; t is when it happened
    measured = measure(stamped(*moved), "t1", speech)
    if measured is None:
        return
    assert all((getattr(measured, part) or 0) >= -1e-9 for part in PARTS)
    if measured.cancelled:
        assert measured.e2e_latency is None
        assert measured.unaccounted is None
    else:
        assert measured.e2e_latency is not None
        assert measured.e2e_latency >= 0
        assert total(measured) == pytest.approx(measured.e2e_latency, abs=1e-9)
