"""Turns events into tidy pandas frames, with units in the names of the columns.

Columns in `_s` are in seconds; those of moments count from the start of the conversation. Join frames on
`conversation_id` together with `participant_id`, `turn_id`, `utterance_id` or `speech_id`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from voicebot.conversation.frames.columns import COLUMNS, Row
from voicebot.conversation.frames.latency import PARTS
from voicebot.conversation.frames.speculation import speculation_rows
from voicebot.conversation.manifest import Manifest, ParticipantRecord
from voicebot.events import (
    EndpointCancelled,
    EndpointConfirmed,
    EndpointPredicted,
    Event,
    LatencyMeasured,
    LLMStarted,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutSentence,
    PlayoutStarted,
    SpeculationCommitted,
    SpeechStarted,
    SpeechStopped,
    TranscriptFinal,
    TTSStarted,
    UserChat,
)

ENVELOPE = frozenset({*Event.model_fields, "track_id"})
"""Older logs have a `track_id`, always null."""


@dataclass
class Rows:
    """The rows of all frames, of one conversation or many."""

    by_frame: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in COLUMNS})

    def frames(self) -> dict[str, pd.DataFrame]:
        return {name: frame_of(name, rows) for name, rows in self.by_frame.items()}


def frame_of(name: str, rows: Sequence[Row]) -> pd.DataFrame:
    """Make a frame with the columns and dtypes of `COLUMNS[name]`."""
    return pd.DataFrame(
        {c: pd.Series([row.get(c) for row in rows], dtype=dtype) for c, dtype in COLUMNS[name].items()}
    )


def rows_of(
    events: Sequence[Event],
    manifest: Manifest,
    folder: Path | None = None,
    audio: Sequence[Row] = (),
    problems: int = 0,
) -> Rows:
    """Return the rows of one conversation. The events update the `manifest` first.

    `audio` has the rows of the recordings, and `problems` counts what could not be read.
    """
    manifest = manifest.after_all(events)
    out = Rows()
    people = manifest.participants
    rows = out.by_frame
    rows["events"] = [_event_row(event) for event in events]
    rows["latency"] = _latency_rows(events)
    rows["speculation"] = speculation_rows(events)
    rows["speech"] = _speech_rows(events)
    rows["words"] = _word_rows(events)
    rows["endpoints"] = _endpoint_rows(events)
    rows["turns"] = sorted(
        [*_heard_rows(events, people), *_typed_rows(events), *_spoken_rows(events, people)],
        key=lambda row: (row["start_s"], row["end_s"] or 0),
    )
    for row in rows["turns"]:
        person = people.get(row["participant_id"] or "", ParticipantRecord())
        row["name"], row["kind"] = person.name, person.kind
    talked = _talked(rows)
    rows["participants"] = [
        {
            "participant_id": who,
            "name": person.name,
            "kind": person.kind,
            "persona_hash": person.persona_hash,
            "joined_s": person.joined_t,
            "left_s": person.left_t,
            "speech_s": talked.get(who, 0.0),
            "consent": ",".join(person.consent),
        }
        for who, person in people.items()
    ]
    rows["audio"] = [dict(row) for row in audio]
    kinds = [person.kind for person in people.values()]
    rows["conversations"] = [
        {
            "lobby_id": manifest.lobby_id,
            "lobby_name": manifest.lobby_name,
            "started_at": pd.to_datetime(manifest.wall_clock or "NaT", utc=True, errors="coerce"),
            "duration_s": max((event.t for event in events), default=0.0),
            "ended": manifest.ended_t is not None,
            "humans": kinds.count("human"),
            "agents": kinds.count("agent"),
            "turns": len(rows["turns"]),
            "events": len(events),
            "problems": problems,
            **{f"{role}_model": manifest.models.get(role) for role in ("stt", "tts", "llm")},
            "path": None if folder is None else str(folder),
        }
    ]
    for name in COLUMNS:
        for row in rows[name]:
            row["conversation_id"] = manifest.conversation_id
    return out


def _event_row(event: Event) -> Row:
    values = event.model_dump(mode="json", exclude=set(ENVELOPE), fallback=repr)
    return {
        "seq": event.seq,
        "t_s": event.t,
        "type": event.type,
        "participant_id": event.participant_id,
        "turn_id": event.turn_id,
        "speech_id": event.speech_id,
        "cause_seq": event.cause_seq,
        "sample": event.sample,
        "data": json.dumps(values),
    }


def _latency_rows(events: Iterable[Event]) -> list[Row]:
    """Return the latency of each answer, with the models that made it, even if they were swapped later."""
    rows: list[Row] = []
    used: dict[tuple[str, str | None, str | None], str] = {}  # by role, turn and agent
    committed: set[tuple[str | None, str | None]] = set()  # by turn and agent
    for event in events:
        match event:
            case TranscriptFinal() if event.stt_model:
                used["stt", event.turn_id, None] = event.stt_model
            case LLMStarted():
                used["llm", event.turn_id, event.participant_id] = event.model
            case TTSStarted():
                used["tts", event.turn_id, event.participant_id] = event.model
            case SpeculationCommitted():
                committed.add((event.turn_id, event.participant_id))
            case LatencyMeasured():
                turn, agent = event.turn_id, event.participant_id
                rows.append(
                    {
                        "seq": event.seq,
                        "turn_id": turn,
                        "participant_id": agent,
                        "speech_id": event.speech_id,
                        "t_s": event.t,
                        **{f"{part}_s": getattr(event, part) for part in (*PARTS, "e2e_latency")},
                        "cancelled": event.cancelled,
                        "speculated": (turn, agent) in committed,
                        "stt_model": used.get(("stt", turn, None)),
                        "llm_model": used.get(("llm", turn, agent)),
                        "tts_model": used.get(("tts", turn, agent)),
                    }
                )
            case _:
                pass
    return rows


def _speech_rows(events: Iterable[Event]) -> list[Row]:
    """Return the speech that the voice activity detector found. Speech that never stopped has no end."""
    rows: list[Row] = []
    open_rows: dict[str | None, Row] = {}
    for event in events:
        if isinstance(event, SpeechStarted):
            row: Row = {
                "participant_id": event.participant_id,
                "turn_id": event.turn_id,
                "start_s": event.t,
                "end_s": None,
                "duration_s": None,
            }
            open_rows[event.participant_id] = row
            rows.append(row)
        elif isinstance(event, SpeechStopped):
            span = open_rows.pop(event.participant_id, {})
            if not span:  # its start is missing
                span.update(participant_id=event.participant_id, start_s=event.t - event.duration_s)
                rows.append(span)
            span.update(end_s=event.t, duration_s=event.duration_s)
            span["turn_id"] = event.turn_id or span.get("turn_id")
    return rows


def _endpoint_rows(events: Iterable[Event]) -> list[Row]:
    return [
        {
            "seq": event.seq,
            "t_s": event.t,
            "participant_id": event.participant_id,
            "turn_id": event.turn_id,
            "outcome": event.type.removeprefix("endpoint."),
            "delay_s": event.delay_s,
            "reason": event.reason,
            "text": event.text,
            "probability": event.probability,
        }
        for event in events
        if isinstance(event, EndpointPredicted | EndpointConfirmed | EndpointCancelled)
    ]


def _word_rows(events: Iterable[Event]) -> list[Row]:
    return [
        {
            "turn_id": event.turn_id,
            "participant_id": event.participant_id,
            "utterance_id": event.utterance_id,
            "position": position,
            "word": word.text,
            "start_s": word.start,
            "end_s": word.end,
            "confidence": word.confidence,
        }
        for event in events
        if isinstance(event, TranscriptFinal)
        for position, word in enumerate(event.words)
    ]


def _heard_rows(events: Iterable[Event], people: Mapping[str, ParticipantRecord]) -> list[Row]:
    """Return what people said. Noise without words is not a turn."""
    return [
        {
            "turn_id": event.turn_id,
            "participant_id": event.participant_id,
            "utterance_id": event.utterance_id,
            "start_s": event.start_t,
            "end_s": event.end_t,
            "text": event.text,
            "interrupted": False,
            "complete": True,
            "typed": False,
            "language": event.language,
            "model": event.stt_model,
        }
        for event in events
        if isinstance(event, TranscriptFinal) and event.text.strip() and not _by_agent(event, people)
    ]


def _typed_rows(events: Sequence[Event]) -> list[Row]:
    """Return what people typed, with the turn that it caused."""
    caused = {event.cause_seq: event.turn_id for event in reversed(events) if event.turn_id}
    return [
        {
            "turn_id": event.turn_id or caused.get(event.seq),
            "participant_id": event.participant_id,
            "start_s": event.t,
            "end_s": event.t,
            "text": event.text,
            "interrupted": False,
            "complete": True,
            "typed": True,
        }
        for event in events
        if isinstance(event, UserChat) and event.text.strip()
    ]


def _spoken_rows(events: Iterable[Event], people: Mapping[str, ParticipantRecord]) -> list[Row]:
    """Return what people heard of agents, or read if the voice failed.

    A speech that the end of the log cuts off is not `complete`.
    """
    rows: dict[str | None, Row] = {}
    said: dict[str | None, list[str]] = {}
    for event in events:
        if isinstance(event, PlayoutStarted | PlayoutSentence | PlayoutFinished | PlayoutInterrupted):
            row = rows.setdefault(event.speech_id, _speech_row(event, event.t))
            if isinstance(event, PlayoutSentence):
                said.setdefault(event.speech_id, [row["text"]]).append(event.text)
            elif isinstance(event, PlayoutFinished | PlayoutInterrupted):
                said.pop(event.speech_id, None)
                row.update(
                    end_s=event.t,
                    text=event.heard_text,
                    planned_text=event.planned_text,
                    interrupted=isinstance(event, PlayoutInterrupted),
                    complete=True,
                )
        elif isinstance(event, TranscriptFinal) and _by_agent(event, people):
            if event.speech_id not in rows:  # nothing was audible
                shown = _speech_row(event, event.start_t)
                shown.update(end_s=event.end_t, text=event.text, complete=True)
                rows[event.speech_id] = shown
            rows[event.speech_id].update(utterance_id=event.utterance_id, language=event.language)
    for speech_id, texts in said.items():
        rows[speech_id]["text"] = " ".join(text for text in map(str.strip, texts) if text)
    return list(rows.values())


def _speech_row(event: Event, start: float) -> Row:
    return {
        "turn_id": event.turn_id,
        "participant_id": event.participant_id,
        "speech_id": event.speech_id,
        "start_s": start,
        "end_s": None,
        "text": "",
        "interrupted": False,
        "complete": False,
        "typed": False,
    }


def _by_agent(event: Event, people: Mapping[str, ParticipantRecord]) -> bool:
    return people.get(event.participant_id or "", ParticipantRecord()).kind == "agent"


def _talked(rows: Mapping[str, Sequence[Row]]) -> dict[str | None, float]:
    """Return the seconds of speech by participant."""
    talked: dict[str | None, float] = {}
    spans = [(row["participant_id"], row["duration_s"]) for row in rows["speech"]]
    spans += [
        (row["participant_id"], row["end_s"] - row["start_s"])
        for row in rows["turns"]
        if row.get("speech_id") and row["end_s"] is not None
    ]
    for who, span in spans:
        talked[who] = talked.get(who, 0.0) + (span or 0.0)
    return talked
