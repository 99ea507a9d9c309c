"""The excerpt of a conversation for somebody who was there for a part of it: what they saw and heard."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from voicebot.audio.frames import OPUS_RATE
from voicebot.audio.ogg import OggOpusWriter, read_packets
from voicebot.audio.opus import packet_samples, silence_packets
from voicebot.conversation.manifest import Manifest
from voicebot.conversation.reading.ogg import participant_of, recordings
from voicebot.conversation.writer import line_of
from voicebot.events import (
    AgentStateEvent,
    ConversationEnded,
    ConversationStarted,
    Event,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdateEvent,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutSentence,
    PlayoutStarted,
    SpeechStarted,
    SpeechStopped,
    TranscriptFinal,
    TranscriptInterim,
    UserChat,
)
from voicebot.folders import Folder, UnsafePath

SEEN_AND_HEARD = (
    AgentStateEvent,
    ConversationEnded,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdateEvent,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutSentence,
    PlayoutStarted,
    SpeechStarted,
    SpeechStopped,
    TranscriptFinal,
    TranscriptInterim,
    UserChat,
)
"""What everybody in a lobby notices. An excerpt has no other events, so that a new kind of event cannot
reveal earlier words."""


class Interval(NamedTuple):
    """Two times in seconds since the conversation began. `end` is infinite while somebody is there."""

    start: float
    end: float


def presence(events: Iterable[Event], participant_ids: Collection[str]) -> list[Interval]:
    """Return when the person with these participant ids was in the lobby, in order of time."""
    intervals: list[Interval] = []
    began: dict[str | None, float] = {}
    for event in events:
        if event.participant_id not in participant_ids:
            continue
        if isinstance(event, ParticipantJoined):
            began.setdefault(event.participant_id, event.t)
        elif isinstance(event, ParticipantLeft) and event.participant_id in began:
            intervals.append(Interval(began.pop(event.participant_id), event.t))
    return sorted([*intervals, *(Interval(start, math.inf) for start in began.values())])


def excerpt(events: Sequence[Event], intervals: Sequence[Interval]) -> list[Event]:
    """Return the events within these intervals, numbered anew.

    The intervals are those of `presence`. An event that began before an interval or went on after it is
    left out. People who were there before an interval join at its start, under the names they had then.
    The work grows with the number of events, not with the number of intervals.
    """
    kept: list[Event] = []
    seen: list[list[Event]] = [[] for _ in intervals]
    coming: list[Event] = []
    for event in events:
        if isinstance(event, ConversationStarted):
            kept.append(event)
        elif isinstance(event, SEEN_AND_HEARD):
            if (index := _interval_of(intervals, *_moments(event))) is not None:
                seen[index].append(event)
            if isinstance(event, ParticipantJoined | ParticipantUpdateEvent | ParticipantLeft):
                coming.append(event)
    for there, within in zip(_already_there(coming, intervals), seen, strict=True):
        speeches = {event.speech_id for event in within if isinstance(event, PlayoutStarted)}
        kept += there
        kept += [event for event in within if event.speech_id is None or event.speech_id in speeches]
    return [_alone(event, seq) for seq, event in enumerate(kept)]


def _already_there(
    coming: Iterable[Event], intervals: Iterable[Interval]
) -> Iterator[list[ParticipantJoined]]:
    """Yield, for each interval, the people who had joined before it and were still there."""
    here: dict[str | None, ParticipantJoined] = {}
    ahead = deque(sorted(coming, key=lambda event: event.t))
    for interval in intervals:
        while ahead and ahead[0].t < interval.start:
            match event := ahead.popleft():
                case ParticipantJoined():
                    here[event.participant_id] = event
                case ParticipantUpdateEvent(changes={"name": str(name)}) if event.participant_id in here:
                    joined = here[event.participant_id]
                    here[event.participant_id] = joined.model_copy(update={"name": name})
                case ParticipantLeft():
                    here.pop(event.participant_id, None)
                case _:
                    pass
        yield [joined.model_copy(update={"t": interval.start}) for joined in here.values()]


def _interval_of(intervals: Sequence[Interval], begin: float, end: float) -> int | None:
    """Return the index of the interval that contains both times, or None."""
    index = bisect_right(intervals, begin, key=lambda interval: interval.start) - 1
    return index if index >= 0 and end <= intervals[index].end else None


def _moments(event: Event) -> tuple[float, float]:
    """Return when the subject of an event began and ended."""
    if isinstance(event, TranscriptFinal):
        return event.start_t, event.end_t
    if isinstance(event, TranscriptInterim):
        return event.start_t, event.t
    return event.t - (event.duration_s if isinstance(event, SpeechStopped) else 0.0), event.t


def _alone(event: Event, seq: int) -> Event:
    """Return an event without references to events that may be missing, or to unheard words."""
    changes: dict[str, object] = {"seq": seq, "cause_seq": None}
    if isinstance(event, PlayoutFinished | PlayoutInterrupted):
        changes["planned_text"] = event.heard_text
    return event.model_copy(update=changes)


def excerpt_manifest(manifest: Manifest, events: Iterable[Event]) -> Manifest:
    """Return the manifest of an excerpt, with its participants and without settings and personas."""
    public = {"conversation_id", "wall_clock", "lobby_id", "lobby_name", "models", "software"}
    return Manifest(**manifest.model_dump(include=public)).after_all(events)


def write_excerpt(
    manifest: Manifest, events: Sequence[Event], intervals: Sequence[Interval], source: Folder, target: Path
) -> None:
    """Write an excerpt of the conversation in `source` to the folder `target`. Blocks.

    The recordings keep their length and are silent outside the intervals, so that times stay the same.

    Raises:
        OSError: a file could not be read or written.
    """
    kept = excerpt(events, intervals)
    target.mkdir(parents=True)
    (target / "events.jsonl").write_bytes(b"".join(map(line_of, kept)))
    (target / "manifest.json").write_text(excerpt_manifest(manifest, kept).model_dump_json(indent=2) + "\n")
    heard = {event.participant_id for event in kept}
    for name in recordings(source):
        if participant_of(name) not in heard:
            continue
        with suppress(UnsafePath), source.folder("audio").open(name) as file:
            writer = OggOpusWriter(target / "audio" / name)
            writer.write(masked(read_packets(file), intervals))
            writer.close()


def masked(packets: Iterable[bytes], intervals: Sequence[Interval]) -> Iterator[bytes]:
    """Yield the Opus packets, each outside the intervals replaced by silence of its length."""
    at = 0
    for packet in packets:
        samples = packet_samples(packet)
        begin, at = at / OPUS_RATE, at + samples
        if _interval_of(intervals, begin, at / OPUS_RATE) is not None:
            yield packet
        else:
            yield from silence_packets(samples)
