"""The excerpt of a conversation for somebody who was there for a part of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import voicebot
from voicebot import events as e
from voicebot.audio.frames import FRAME_SAMPLES, OPUS_RATE
from voicebot.audio.ogg import OggOpusWriter, read_packets
from voicebot.audio.opus import OpusDecoder, OpusEncoder, packet_samples
from voicebot.conversation.log import ConversationLog
from voicebot.conversation.reading.excerpt import SEEN_AND_HEARD, Interval, excerpt, presence, write_excerpt
from voicebot.events import EVENT_TYPES, Event
from voicebot.folders import Folder

ALICE, MALLORY, BOT = "p-alice", "p-mallory", "agent-bot"
OLD = "north"
"""A word that is in everything said, thought or decided while Mallory was not in the lobby."""


@pytest.fixture
def log() -> ConversationLog:
    """Alice and an agent talk; Mallory comes at 10 s, goes at 20 s and is back, as another, from 30 s on."""
    log = ConversationLog("20260101T000000-0000abcd", None, clock=lambda: 0.0)

    def at(t: float, event: type[Event], who: str | None = None, **fields: object) -> None:
        log.emit(event.model_validate({"t": t, "participant_id": who, **fields}))

    at(0, e.ConversationStarted, wall_clock="2026-01-01T00:00:00+00:00", lobby_id="demo")
    at(0, e.ParticipantJoined, ALICE, name=f"{OLD}erly Alice", kind="human")
    at(0, e.ParticipantJoined, BOT, name="Bot", kind="agent", persona_hash="h")
    at(0, e.PersonaCreated, BOT, persona={"character": f"loves the {OLD}"}, persona_hash="h")
    at(0, e.ParticipantJoined, "p-gone", name=f"{OLD}ern guest", kind="human")
    at(1, e.ParticipantLeft, "p-gone")
    at(2, e.ParticipantUpdateEvent, ALICE, changes={"name": "Alice"})
    at(3, e.UserChat, ALICE, text=f"a {OLD} wind")
    at(4, e.TranscriptFinal, ALICE, utterance_id="u1", text=f"it is {OLD}", start_t=3.0, end_t=3.9)
    at(8, e.PlayoutStarted, BOT, speech_id="s1", turn_id="t1")
    at(9.5, e.SpeechStarted, ALICE)
    at(10, e.ParticipantJoined, MALLORY, name="Mallory", kind="human")
    at(10.1, e.TranscriptInterim, ALICE, utterance_id="u2", text=f"{OLD} again", start_t=9.5)
    at(10.2, e.SpeechStopped, ALICE, duration_s=0.7)
    at(10.3, e.TranscriptFinal, ALICE, utterance_id="u2", text=f"{OLD} again", start_t=9.5, end_t=10.2)
    at(10.4, e.LLMFinished, BOT, model="m", text=f"So you said {OLD}.")
    at(10.5, e.EndpointConfirmed, ALICE, delay_s=0.3, text=f"{OLD} again")
    at(10.6, e.ToolCalled, BOT, name="look_up", arguments=OLD)
    at(11, e.PlayoutFinished, BOT, speech_id="s1", planned_text=OLD, heard_text=OLD, heard_until_s=3.0)
    at(11, e.TranscriptFinal, BOT, utterance_id="u3", speech_id="s1", text=OLD, start_t=8.0, end_t=11.0)
    at(12, e.UserChat, ALICE, text="hello Mallory")
    at(14, e.TranscriptFinal, ALICE, utterance_id="u4", text="nice to meet you", start_t=12.5, end_t=13.5)
    at(15, e.PlayoutStarted, BOT, speech_id="s2", turn_id="t2")
    at(
        16,
        e.PlayoutInterrupted,
        BOT,
        speech_id="s2",
        planned_text=f"Hi {OLD}",
        heard_text="Hi",
        heard_until_s=1.0,
    )
    at(19.5, e.SpeechStarted, ALICE)
    at(20, e.ParticipantLeft, MALLORY)
    at(21, e.TranscriptFinal, ALICE, utterance_id="u5", text=f"now {OLD}", start_t=19.5, end_t=20.8)
    at(25, e.UserChat, ALICE, text=f"{OLD} while you were away")
    at(30, e.ParticipantJoined, "p-mallory2", name="Mallory", kind="human")
    at(31, e.UserChat, "p-mallory2", text="back again")
    return log


def test_an_excerpt_has_nothing_from_outside_its_intervals(log: ConversationLog, tmp_path: Path) -> None:
    intervals = presence(log.events, {MALLORY, "p-mallory2"})
    assert intervals == [Interval(10, 20), Interval(30, math.inf)]
    folder = tmp_path / log.conversation_id
    write_excerpt(log.manifest, log.events, intervals, Folder(tmp_path / "nothing"), folder)
    for path in folder.iterdir():
        assert OLD not in path.read_text()
    found = voicebot.load(folder, cache=False)
    assert found.problems == ()
    assert list(found.turns["text"]) == ["hello Mallory", "nice to meet you", "Hi", "back again"]
    assert set(found.participants["name"]) == {"Alice", "Bot", "Mallory"}
    assert found.turns["start_s"].min() >= 10


def test_somebody_who_was_never_there_gets_no_words(log: ConversationLog) -> None:
    assert presence(log.events, {"p-nobody"}) == []
    assert [event.type for event in excerpt(log.events, [])] == ["conversation.started"]


def test_somebody_who_was_there_from_the_start_gets_every_word(log: ConversationLog) -> None:
    kinds = [event.type for event in excerpt(log.events, presence(log.events, {ALICE}))]
    said = [event.type for event in log.events if isinstance(event, SEEN_AND_HEARD)]
    assert sorted(kinds) == sorted(["conversation.started", *said])


def test_only_kinds_of_events_that_everybody_notices_are_included() -> None:
    """A new kind has to be thought about: it may carry words of before."""
    kinds = set(EVENT_TYPES) - set(SEEN_AND_HEARD)
    assert {e.LLMFinished, e.ToolCalled, e.SpeculationStarted, e.EndpointConfirmed, e.PersonaCreated} <= kinds


def test_recordings_are_silent_outside_the_intervals(log: ConversationLog, tmp_path: Path) -> None:
    source = tmp_path / "source"
    encoder = OpusEncoder()
    tone = (8000 * np.sin(np.arange(FRAME_SAMPLES) * 2 * np.pi * 450 / OPUS_RATE)).astype(np.int16)
    for who in (ALICE, "p-gone"):
        writer = OggOpusWriter(source / "audio" / f"{who}.ogg")
        writer.write([encoder.encode(tone) for _ in range(35 * 50)])
        writer.close()
    target = tmp_path / log.conversation_id
    intervals = presence(log.events, {MALLORY, "p-mallory2"})
    write_excerpt(log.manifest, log.events, intervals, Folder(source), target)
    assert [path.name for path in (target / "audio").iterdir()] == [f"{ALICE}.ogg"]
    packets = read_packets(target / "audio" / f"{ALICE}.ogg")
    assert sum(map(packet_samples, packets)) == 35 * OPUS_RATE
    decoder = OpusDecoder()
    sound = np.concatenate([decoder.decode(packet) for packet in packets])
    loud = np.abs(sound.reshape(-1, OPUS_RATE).astype(float)).mean(axis=1) > 1000  # by the second
    assert list(np.flatnonzero(loud)) == [*range(10, 20), *range(30, 35)]
    assert not sound[: 10 * OPUS_RATE].any()


class Counted(list[Event]):
    """Knows how many of its events have been looked at."""

    looks = 0

    def __iter__(self) -> Iterator[Event]:
        for event in super().__iter__():
            self.looks += 1
            yield event


def test_joining_and_leaving_often_does_not_make_an_excerpt_slower(log: ConversationLog) -> None:
    """A long conversation is read once, not once for each time that somebody was there."""
    events = Counted(log.events)
    excerpt(events, [Interval(10, 20)])
    once = events.looks
    intervals = [Interval(t / 10, t / 10 + 0.05) for t in range(1000)]
    kept = excerpt(events, intervals)
    assert events.looks == 2 * once
    there = [event.name for event in kept if isinstance(event, e.ParticipantJoined) and event.t == 99.9]
    assert there == ["Alice", "Bot", "Mallory"]
