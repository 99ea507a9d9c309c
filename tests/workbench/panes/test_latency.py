from __future__ import annotations

from voicebot.events import LatencyMeasured, TranscriptFinal
from voicebot.workbench.panes.latency import PARTS, LatencyPane
from voicebot.workbench.panes.participants import ShownParticipants


async def test_a_turn_is_shown_with_its_question_and_its_parts_in_order(page):
    participants = ShownParticipants()
    participants.add("p", "Ada", "human")
    participants.add("a", "Keeper", "agent")
    pane = LatencyPane(participants)
    pane.on_event(TranscriptFinal(participant_id="p", utterance_id="u", text="How deep is it?", t=2.0))
    pane.on_event(TranscriptFinal(participant_id="a", utterance_id="v", text="Deep.", t=3.0))
    pane.on_event(
        LatencyMeasured(
            participant_id="a",
            seq=9,
            t=4.0,
            end_of_turn_delay=0.5,
            llm_node_ttft=0.2,
            tts_node_ttfb=0.05,
            unaccounted=0.01,
            e2e_latency=0.76,
        )
    )
    [row] = pane.rows
    assert (row["name"], row["question"], row["e2e"], row["cancelled"]) == (
        "Keeper",
        "How deep is it?",
        0.76,
        False,
    )
    assert [(key, value) for key, _, value in row["parts"]] == [
        ("end_of_turn_delay", 0.5),
        ("llm_node_ttft", 0.2),
        ("tts_node_ttfb", 0.05),
        ("unaccounted", 0.01),
    ]


async def test_a_cancelled_turn_is_flagged(page):
    pane = LatencyPane(ShownParticipants())
    pane.on_event(LatencyMeasured(participant_id="a", seq=1, t=1.0, end_of_turn_delay=0.5, cancelled=True))
    [row] = pane.rows
    assert row["cancelled"]
    assert row["e2e"] is None


def test_every_part_of_the_event_is_in_the_waterfall():
    own = set(LatencyMeasured.model_fields) - set(LatencyMeasured.__mro__[1].model_fields)
    assert set(PARTS) == own - {"e2e_latency", "cancelled"}
