"""Events to tidy pandas frames: one row per thing, units in the column names.

Times end in `_s`: seconds since the conversation began. Rows are joined by
`conversation_id` with `participant_id`, `turn_id`, `utterance_id` and `speech_id`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from voicebot.conversation.latency import PARTS
from voicebot.conversation.manifest import Manifest
from voicebot.conversation.ogg import ogg_duration
from voicebot.events import (
    Event,
    LatencyMeasured,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutSentence,
    PlayoutStarted,
    SpeechStarted,
    SpeechStopped,
    TranscriptFinal,
)

Row = dict[str, Any]

COLUMNS: dict[str, dict[str, str]] = {
    "conversations": {
        "conversation_id": "str",
        "lobby_id": "str",
        "lobby_name": "str",
        "started_at": "datetime64[us, UTC]",
        "duration_s": "float64",
        "ended": "bool",
        "humans": "int64",
        "agents": "int64",
        "turns": "int64",
        "events": "int64",
        "problems": "int64",
        "stt_model": "str",
        "tts_model": "str",
        "llm_model": "str",
        "path": "str",
    },
    "participants": {
        "conversation_id": "str",
        "participant_id": "str",
        "name": "str",
        "kind": "str",
        "persona_hash": "str",
        "joined_s": "float64",
        "left_s": "float64",
        "speech_s": "float64",
        "consent": "str",
    },
    "turns": {
        "conversation_id": "str",
        "turn_id": "str",
        "participant_id": "str",
        "name": "str",
        "kind": "str",
        "utterance_id": "str",
        "speech_id": "str",
        "start_s": "float64",
        "end_s": "float64",
        "text": "str",
        "planned_text": "str",
        "interrupted": "bool",
        "complete": "bool",
        "language": "str",
        "model": "str",
    },
    "words": {
        "conversation_id": "str",
        "turn_id": "str",
        "participant_id": "str",
        "utterance_id": "str",
        "position": "int64",
        "word": "str",
        "start_s": "float64",
        "end_s": "float64",
        "confidence": "float64",
    },
    "events": {
        "conversation_id": "str",
        "seq": "int64",
        "t_s": "float64",
        "type": "str",
        "participant_id": "str",
        "turn_id": "str",
        "speech_id": "str",
        "cause_seq": "Int64",
        "track_id": "str",
        "sample": "Int64",
        "data": "str",
    },
    "latency": {
        "conversation_id": "str",
        "seq": "int64",
        "turn_id": "str",
        "participant_id": "str",
        "speech_id": "str",
        "t_s": "float64",
        **{f"{part}_s": "float64" for part in PARTS},
        "e2e_latency_s": "float64",
        "cancelled": "bool",
    },
    "speech": {
        "conversation_id": "str",
        "participant_id": "str",
        "turn_id": "str",
        "start_s": "float64",
        "end_s": "float64",
        "duration_s": "float64",
    },
    "audio": {
        "conversation_id": "str",
        "participant_id": "str",
        "path": "str",
        "offset_s": "float64",
        "duration_s": "float64",
        "size_bytes": "int64",
    },
}
"""Every frame's columns and dtypes; empty frames have them as well."""

ENVELOPE = frozenset(Event.model_fields)


@dataclass
class Rows:
    """Rows of the eight frames, of one conversation or many."""

    by_frame: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in COLUMNS})

    def frames(self) -> dict[str, pd.DataFrame]:
        return {name: frame_of(name, rows) for name, rows in self.by_frame.items()}


def frame_of(name: str, rows: Sequence[Row]) -> pd.DataFrame:
    """A frame with the columns and dtypes of `COLUMNS[name]`."""
    return pd.DataFrame(
        {c: pd.Series([row.get(c) for row in rows], dtype=dtype) for c, dtype in COLUMNS[name].items()}
    )


def rows_of(
    events: Sequence[Event], manifest: Manifest, folder: Path | None = None, problems: int = 0
) -> Rows:
    """The rows of one conversation. `manifest` is brought up to date from the events."""
    for event in events:
        manifest = manifest.after(event)
    out = Rows()
    people = manifest.participants
    rows = out.by_frame
    rows["events"] = [_event_row(event) for event in events]
    rows["latency"] = [_latency_row(event) for event in events if isinstance(event, LatencyMeasured)]
    rows["speech"] = _speech_rows(events)
    rows["words"] = _word_rows(events)
    rows["turns"] = sorted(
        [*_heard_rows(events, people), *_spoken_rows(events)],
        key=lambda row: (row["start_s"], row["end_s"] or 0),
    )
    for row in rows["turns"]:
        person = people.get(row["participant_id"] or "", {})
        row["name"], row["kind"] = person.get("name"), person.get("kind")
    rows["participants"] = [
        {
            "participant_id": who,
            "name": person.get("name"),
            "kind": person.get("kind"),
            "persona_hash": person.get("persona_hash"),
            "joined_s": person.get("joined_t"),
            "left_s": person.get("left_t"),
            "speech_s": _talked(who, rows),
            "consent": ",".join(map(str, person.get("consent") or ())),
        }
        for who, person in people.items()
    ]
    rows["audio"] = _audio_rows(folder)
    kinds = [person.get("kind") for person in people.values()]
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
        "track_id": event.track_id,
        "sample": event.sample,
        "data": json.dumps(values),
    }


def _latency_row(event: LatencyMeasured) -> Row:
    row: Row = {
        "seq": event.seq,
        "turn_id": event.turn_id,
        "participant_id": event.participant_id,
        "speech_id": event.speech_id,
        "t_s": event.t,
        "cancelled": event.cancelled,
    }
    return row | {f"{part}_s": getattr(event, part) for part in (*PARTS, "e2e_latency")}


def _speech_rows(events: Iterable[Event]) -> list[Row]:
    """VAD spans; one that never stopped has no end."""
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
            if not span:  # its beginning was lost
                span.update(participant_id=event.participant_id, start_s=event.t - event.duration_s)
                rows.append(span)
            span.update(end_s=event.t, duration_s=event.duration_s)
            span["turn_id"] = event.turn_id or span.get("turn_id")
    return rows


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


def _heard_rows(events: Iterable[Event], people: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """What people said; agents' own transcripts repeat their playout and are left out."""
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
            "language": event.language,
            "model": event.stt_model,
        }
        for event in events
        if isinstance(event, TranscriptFinal)
        and people.get(event.participant_id or "", {}).get("kind") != "agent"
    ]


def _spoken_rows(events: Iterable[Event]) -> list[Row]:
    """What agents were heard to say; a speech the log breaks off in is not `complete`."""
    rows: dict[str | None, Row] = {}
    for event in events:
        if isinstance(event, PlayoutStarted | PlayoutSentence | PlayoutFinished | PlayoutInterrupted):
            row = rows.setdefault(
                event.speech_id,
                {
                    "turn_id": event.turn_id,
                    "participant_id": event.participant_id,
                    "speech_id": event.speech_id,
                    "start_s": event.t,
                    "end_s": None,
                    "text": "",
                    "interrupted": False,
                    "complete": False,
                },
            )
            if isinstance(event, PlayoutSentence):
                row["text"] = f"{row['text']} {event.text}".strip()
            elif isinstance(event, PlayoutFinished | PlayoutInterrupted):
                row.update(
                    end_s=event.t,
                    text=event.heard_text,
                    planned_text=event.planned_text,
                    interrupted=isinstance(event, PlayoutInterrupted),
                    complete=True,
                )
    return list(rows.values())


def _talked(who: str, rows: Mapping[str, Sequence[Row]]) -> float:
    spans = [row["duration_s"] for row in rows["speech"] if row["participant_id"] == who]
    spans += [
        row["end_s"] - row["start_s"]
        for row in rows["turns"]
        if row["participant_id"] == who and row.get("speech_id") and row["end_s"] is not None
    ]
    return float(sum(span for span in spans if span is not None))


def _audio_rows(folder: Path | None) -> list[Row]:
    if folder is None:
        return []
    rows = []
    for path in sorted((folder / "audio").glob("*.ogg")):
        try:
            size = path.stat().st_size
        except OSError:
            continue
        rows.append(
            {
                "participant_id": path.stem.partition("~")[0],
                "path": str(path),
                "offset_s": 0.0,  # recordings begin with the conversation
                "duration_s": ogg_duration(path),
                "size_bytes": size,
            }
        )
    return rows
