"""The frame of answers that were prepared before the turn was over, with the cost of discarded ones."""

from __future__ import annotations

from collections.abc import Iterable

from voicebot.conversation.frames.columns import Row
from voicebot.events import Event, SpeculationCancelled, SpeculationCommitted, SpeculationStarted


def speculation_rows(events: Iterable[Event]) -> list[Row]:
    """Return one row per prepared answer. `outcome` is committed, cancelled, or "" at the end of the log.

    The `wasted_` columns are 0 unless the answer was cancelled: seconds since it began, characters that the
    language model wrote, characters that the voice was given, and seconds of audio that nobody heard.
    """
    rows: list[Row] = []
    under_way: dict[tuple[str | None, str | None, str | None], Row] = {}

    def row_of(event: Event) -> Row:
        key = (event.turn_id, event.participant_id, event.speech_id)
        return under_way.pop(key, None) or _row(event, rows)

    for event in events:
        match event:
            case SpeculationStarted():
                row = _row(event, rows)
                row.update(start_s=event.t, text=event.text)
                under_way[event.turn_id, event.participant_id, event.speech_id] = row
            case SpeculationCommitted():
                row_of(event).update(end_s=event.t, outcome="committed")
            case SpeculationCancelled():
                row_of(event).update(
                    end_s=event.t,
                    outcome="cancelled",
                    reason=event.reason,
                    wasted_s=event.seconds,
                    wasted_written=event.written,
                    wasted_characters=event.characters,
                    wasted_audio_s=event.audio_s,
                )
            case _:
                pass
    return rows


def _row(event: Event, rows: list[Row]) -> Row:
    row: Row = {
        "turn_id": event.turn_id,
        "participant_id": event.participant_id,
        "speech_id": event.speech_id,
        "start_s": None,
        "end_s": None,
        "text": "",
        "outcome": "",
        "reason": "",
        "wasted_s": 0.0,
        "wasted_written": 0,
        "wasted_characters": 0,
        "wasted_audio_s": 0.0,
    }
    rows.append(row)
    return row
