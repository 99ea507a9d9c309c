"""The frame of answers that were prepared ahead: used or discarded, and what they cost."""

from __future__ import annotations

import pytest

from voicebot.conversation.log import ConversationLog
from voicebot.conversation.reading.reader import Conversations
from voicebot.events import (
    ConversationStarted,
    LatencyMeasured,
    SpeculationCancelled,
    SpeculationCommitted,
    SpeculationStarted,
)


def test_each_speculation_has_its_outcome_and_cost() -> None:
    log = ConversationLog("c", None, clock=lambda: 50.0)
    log.emit(ConversationStarted(t=0, wall_clock="", lobby_id="l"))
    bo = {"participant_id": "bo", "turn_id": "t1"}
    log.emit(SpeculationStarted(**bo, speech_id="s1", t=1.0, text="what is"))
    log.emit(
        SpeculationCancelled(
            **bo,
            speech_id="s1",
            t=1.4,
            reason="speech went on",
            seconds=0.4,
            written=30,
            characters=12,
            audio_s=0.9,
        )
    )
    log.emit(SpeculationStarted(**bo, speech_id="s2", t=2.0, text="what is tea"))
    log.emit(SpeculationCommitted(**bo, speech_id="s2", t=2.3))
    log.emit(LatencyMeasured(**bo, speech_id="s2", t=2.4, e2e_latency=0.5))
    log.emit(LatencyMeasured(participant_id="bo", turn_id="t9", t=9.0, e2e_latency=0.9))
    log.emit(SpeculationStarted(**{**bo, "turn_id": "t2"}, speech_id="s3", t=5.0, text="and"))
    log.emit(SpeculationCancelled(**bo, speech_id="s4", t=6.0, reason="its beginning was lost", seconds=1.0))

    loaded = Conversations.of(log)
    found = loaded.speculation
    assert found["outcome"].tolist() == ["cancelled", "committed", "", "cancelled"]
    assert found["text"].tolist() == ["what is", "what is tea", "and", ""]
    assert found["end_s"].tolist() == pytest.approx([1.4, 2.3, float("nan"), 6.0], nan_ok=True)
    assert found["reason"].tolist()[0] == "speech went on"
    per_turn = found.groupby(["conversation_id", "turn_id"])[
        ["wasted_s", "wasted_written", "wasted_characters", "wasted_audio_s"]
    ].sum()
    assert per_turn.loc[("c", "t1")].tolist() == pytest.approx([1.4, 30, 12, 0.9])
    assert per_turn.loc[("c", "t2")].tolist() == [0, 0, 0, 0]
    assert loaded.latency["speculated"].tolist() == [True, False]
