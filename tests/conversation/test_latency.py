from __future__ import annotations

import random

import pytest

from voicebot.conversation.latency import PARTS, measure
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
    SpeechStopped,
    TranscriptFinal,
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


def test_work_done_ahead_counts_nothing() -> None:
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


def test_a_speculation_that_was_thrown_away_is_left_out() -> None:
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


def test_a_cancelled_turn_is_flagged_and_has_no_whole() -> None:
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


def test_nothing_to_measure() -> None:
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


def test_the_parts_sum_to_the_whole_whatever_the_order_of_things() -> None:
    dice = random.Random(7)
    for _ in range(500):
        events = [e.model_copy(update={"t": dice.uniform(2, 5)}) for e in plain_turn()]
        kept = stamped(*dice.sample(events, dice.randint(3, len(events))))
        measured = measure(kept, "t1")
        if measured is None or measured.cancelled:
            continue
        assert total(measured) == pytest.approx(measured.e2e_latency)
        assert all((getattr(measured, part) or 0) >= 0 for part in PARTS[:-1])
