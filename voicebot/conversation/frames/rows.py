"""Turns events into tidy pandas frames, with units in the names of the columns.

Columns in `_s` are in seconds; those of moments count from the start of the conversation. Join frames on
`conversation_id` together with `participant_id`, `turn_id`, `utterance_id` or `speech_id`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from voicebot.conversation.frames.columns import COLUMNS, Row, Rows, row_of
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

ENVELOPE = {*Event.model_fields, "track_id"}
"""Older logs have a `track_id`, always null."""


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
    """Return the rows of one conversation by frame. The events update the `manifest` first.

    `audio` has the rows of the recordings, and `problems` counts what could not be read.
    """
    manifest = manifest.after_all(events)
    people = manifest.participants
    turns = sorted(
        [*_heard_rows(events, people), *_typed_rows(events), *_spoken_rows(events, people)],
        key=lambda row: (row["start_s"], row["end_s"] or 0),
    )
    for row in turns:
        person = people.get(row["participant_id"] or "", ParticipantRecord())
        row["name"], row["kind"] = person.name, person.kind
    speech = _speech_rows(events)
    talked = _talked(speech, turns)
    kinds = [person.kind for person in people.values()]
    rows: Rows = {
        "conversations": [
            {
                **vars(manifest),
                "started_at": pd.to_datetime(manifest.wall_clock or "NaT", utc=True, errors="coerce"),
                "duration_s": max((event.t for event in events), default=0.0),
                "ended": manifest.ended_t is not None,
                "humans": kinds.count("human"),
                "agents": kinds.count("agent"),
                "turns": len(turns),
                "events": len(events),
                "problems": problems,
                **{f"{role}_model": manifest.models.get(role) for role in ("stt", "tts", "llm")},
                "path": None if folder is None else str(folder),
            }
        ],
        "participants": [
            {
                **vars(person),
                "participant_id": who,
                "joined_s": person.joined_t,
                "left_s": person.left_t,
                "speech_s": talked.get(who, 0.0),
                "consent": ",".join(person.consent),
            }
            for who, person in people.items()
        ],
        "turns": turns,
        "words": _word_rows(events),
        "events": [row_of(event, data=_data(event)) for event in events],
        "latency": _latency_rows(events),
        "speculation": speculation_rows(events),
        "speech": speech,
        "endpoints": [
            row_of(event, outcome=event.type.removeprefix("endpoint."))
            for event in events
            if isinstance(event, EndpointPredicted | EndpointConfirmed | EndpointCancelled)
        ],
        "audio": [dict(row) for row in audio],
    }
    for some in rows.values():
        for row in some:
            row["conversation_id"] = manifest.conversation_id
    return rows


def _data(event: Event) -> str:
    """Return the fields that only this kind of event has, as JSON."""
    return json.dumps(event.model_dump(mode="json", exclude=ENVELOPE, fallback=repr))


def _latency_rows(events: Iterable[Event]) -> list[Row]:
    """Return the latency of each answer, with the models that made it, even if they were swapped later."""
    rows: list[Row] = []
    used: dict[tuple[str, str | None, str | None], str] = {}  # by role, turn and agent
    committed: set[tuple[str | None, str | None]] = set()  # by turn and agent
    for event in events:
        turn, agent = event.turn_id, event.participant_id
        match event:
            case TranscriptFinal() if event.stt_model:
                used["stt", turn, None] = event.stt_model
            case LLMStarted():
                used["llm", turn, agent] = event.model
            case TTSStarted():
                used["tts", turn, agent] = event.model
            case SpeculationCommitted():
                committed.add((turn, agent))
            case LatencyMeasured():
                row = row_of(
                    event,
                    speculated=(turn, agent) in committed,
                    stt_model=used.get(("stt", turn, None)),
                    llm_model=used.get(("llm", turn, agent)),
                    tts_model=used.get(("tts", turn, agent)),
                )
                row |= {f"{part}_s": row[part] for part in (*PARTS, "e2e_latency")}
                rows.append(row)
            case _:
                pass
    return rows


def _speech_rows(events: Iterable[Event]) -> list[Row]:
    """Return the speech that the voice activity detector found. Speech that never stopped has no end."""
    rows: list[Row] = []
    open_rows: dict[str | None, Row] = {}
    for event in events:
        if isinstance(event, SpeechStarted):
            open_rows[event.participant_id] = row_of(event, start_s=event.t)
            rows.append(open_rows[event.participant_id])
        elif isinstance(event, SpeechStopped):
            row = open_rows.pop(event.participant_id, None)
            if row is None:  # its start is missing
                row = row_of(event, start_s=event.t - event.duration_s)
                rows.append(row)
            row.update(end_s=event.t, duration_s=event.duration_s, turn_id=event.turn_id or row["turn_id"])
    return rows


def _word_rows(events: Iterable[Event]) -> list[Row]:
    rows: list[Row] = []
    for event in events:
        if isinstance(event, TranscriptFinal):
            # there are many words, so a row has no field that the frame lacks
            shared = {column: value for column, value in vars(event).items() if column in COLUMNS["words"]}
            rows += [
                {
                    **shared,
                    "position": position,
                    "word": word.text,
                    "start_s": word.start,
                    "end_s": word.end,
                    "confidence": word.confidence,
                }
                for position, word in enumerate(event.words)
            ]
    return rows


def _heard_rows(events: Iterable[Event], people: Mapping[str, ParticipantRecord]) -> list[Row]:
    """Return what people said. Noise without words is not a turn."""
    return [
        _turn_row(event, event.start_t, event.end_t, event.text, model=event.stt_model)
        for event in events
        if isinstance(event, TranscriptFinal) and event.text.strip() and not _by_agent(event, people)
    ]


def _typed_rows(events: Sequence[Event]) -> list[Row]:
    """Return what people typed, with the turn that it caused."""
    caused = {event.cause_seq: event.turn_id for event in reversed(events) if event.turn_id}
    return [
        _turn_row(
            event, event.t, event.t, event.text, typed=True, turn_id=event.turn_id or caused.get(event.seq)
        )
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
            row = rows.setdefault(event.speech_id, _turn_row(event, event.t, None, ""))
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
                rows[event.speech_id] = _turn_row(event, event.start_t, event.end_t, event.text)
            rows[event.speech_id].update(utterance_id=event.utterance_id, language=event.language)
    for speech_id, texts in said.items():
        rows[speech_id]["text"] = " ".join(text for text in map(str.strip, texts) if text)
    return list(rows.values())


def _turn_row(event: Event, start: float, end: float | None, text: str, **columns: Any) -> Row:
    flags = {"interrupted": False, "complete": end is not None, "typed": False}
    return row_of(event, start_s=start, end_s=end, text=text, **flags | columns)


def _by_agent(event: Event, people: Mapping[str, ParticipantRecord]) -> bool:
    return people.get(event.participant_id or "", ParticipantRecord()).kind == "agent"


def _talked(speech: Iterable[Row], turns: Iterable[Row]) -> dict[str | None, float]:
    """Return the seconds of speech by participant: as detected, and as played for agents."""
    talked: dict[str | None, float] = {}
    spans = [(row["participant_id"], row.get("duration_s")) for row in speech]
    spans += [
        (row["participant_id"], row["end_s"] - row["start_s"])
        for row in turns
        if row["speech_id"] and row["end_s"] is not None
    ]
    for who, span in spans:
        talked[who] = talked.get(who, 0.0) + (span or 0.0)
    return talked
