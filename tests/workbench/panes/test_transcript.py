from __future__ import annotations

from voicebot.events import (
    ConversationStarted,
    Event,
    ModelSwapped,
    ParticipantJoined,
    PlayoutInterrupted,
    TranscriptFinal,
    TranscriptInterim,
    UserChat,
)
from voicebot.workbench.panes.participants import ShownParticipants
from voicebot.workbench.panes.transcript import TranscriptPane


def say(pane: TranscriptPane, *events: Event) -> list[dict]:
    for seq, event in enumerate(events):
        pane.on_event(event.model_copy(update={"seq": seq, "conversation_id": "c"}))
    return pane.rows


async def test_interim_text_becomes_the_final_row(page):
    pane = TranscriptPane(ShownParticipants())
    rows = say(
        pane,
        ParticipantJoined(participant_id="p", name="Ada", kind="human", t=0.0),
        TranscriptInterim(participant_id="p", utterance_id="u", text="what is", t=1.5),
        TranscriptFinal(
            participant_id="p", utterance_id="u", text="what is the weather", t=3.2, start_t=1.2, end_t=2.9
        ),
        TranscriptInterim(participant_id="p", utterance_id="u", text="what", t=3.3),
    )
    assert [row["text"] for row in rows] == ["Ada joined", "what is the weather"]
    spoken = rows[1]
    assert (spoken["name"], spoken["t"], spoken["end"], spoken["final"]) == ("Ada", 1.2, 2.9, True)


async def test_an_interruption_keeps_what_was_heard_and_shows_what_was_not(page):
    pane = TranscriptPane(ShownParticipants())
    [row] = say(
        pane,
        TranscriptInterim(participant_id="a", utterance_id="u7", speech_id="s", text="The tide is", t=4.0),
        PlayoutInterrupted(
            participant_id="a",
            speech_id="s",
            planned_text="The tide is high. Go home.",
            heard_text="The tide is high.",
            heard_until_s=1.1,
            t=5.1,
        ),
        TranscriptFinal(
            participant_id="a", utterance_id="u7", speech_id="s", text="The tide is high.", t=5.1
        ),
    )
    assert row["text"] == "The tide is high."
    assert row["unheard"] == "Go home."
    assert row["interrupted"]
    assert row["final"]


async def test_noise_without_words_leaves_no_row(page):
    pane = TranscriptPane(ShownParticipants())
    assert say(pane, TranscriptFinal(participant_id="p", utterance_id="u", text=" ", t=1.0)) == []
    rows = say(
        pane,
        TranscriptInterim(participant_id="p", utterance_id="v", text="uh", t=2.0),
        TranscriptFinal(participant_id="p", utterance_id="v", text="", t=2.5),
    )
    assert rows == []


async def test_utterances_of_two_conversations_do_not_mix(page):
    pane = TranscriptPane(ShownParticipants())
    for conversation in ("c1", "c2"):
        pane.on_event(
            TranscriptFinal(
                conversation_id=conversation, participant_id="p", utterance_id="u1", text=conversation, t=1.0
            )
        )
    assert [row["text"] for row in pane.rows] == ["c1", "c2"]


async def test_chat_and_swaps_are_shown(page):
    pane = TranscriptPane(ShownParticipants())
    rows = say(
        pane,
        ConversationStarted(wall_clock="2030-01-01T00:00:00Z", lobby_id="l", t=0.0),
        UserChat(participant_id="p", text="hi <b>there</b>", t=1.0),
        ModelSwapped(role="tts", old="espeak", new="flite:slt", t=2.0),
    )
    assert [row["kind"] for row in rows] == ["note", "chat", "note"]
    assert rows[1]["text"] == "hi <b>there</b>"
    assert rows[2]["text"] == "TTS is now flite:slt (was espeak)"


async def test_people_keep_their_colours(page):
    participants = ShownParticipants()
    first, second = participants.add("a", "Ada", "human"), participants.add("b", "Bo", "agent")
    assert first.colour != second.colour
    assert participants.add("a", "Ada L.", "human") is first
    assert participants.get("a").name == "Ada L."
    assert participants.get("stranger").name == "stranger"
