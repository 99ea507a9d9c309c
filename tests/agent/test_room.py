from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.stage import Stage
from voicebot.events import LatencyMeasured, TranscriptFinal

pytestmark = pytest.mark.virtual_time


async def test_a_question_is_heard_answered_and_measured(tmp_path: Path) -> None:
    async with Stage(
        tmp_path,
        stt=["what is the weather in paris"],
        llm=[[0.2, "It rains ", "in Paris. ", 0.5, "Take an umbrella."]],
    ) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.5, after=1.0)
        assert await stage.said(ada) == "It rains in Paris. Take an umbrella."

        question = stage.of(TranscriptFinal)[0]
        assert (question.participant_id, question.text) == ("anna", "what is the weather in paris")
        assert question.start_t == pytest.approx(1.0, abs=0.05)
        assert question.end_t == pytest.approx(2.5, abs=0.05)
        (latency,) = stage.of(LatencyMeasured)
        assert latency.turn_id == question.turn_id
        assert latency.e2e_latency == pytest.approx(0.7, abs=0.02)
        assert latency.end_of_turn_delay == pytest.approx(0.5, abs=0.02)
        assert latency.llm_node_ttft == pytest.approx(0.2, abs=0.001)
