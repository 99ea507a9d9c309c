"""The frame of answers that were prepared before the turn was over, with the cost of discarded ones."""

from __future__ import annotations

from collections.abc import Iterable

from voicebot.conversation.frames.columns import Row, row_of
from voicebot.events import Event, SpeculationCancelled, SpeculationCommitted, SpeculationStarted

NOTHING_WASTED = {"wasted_s": 0.0, "wasted_written": 0, "wasted_characters": 0, "wasted_audio_s": 0.0}


def speculation_rows(events: Iterable[Event]) -> list[Row]:
    """Return one row per prepared answer. `outcome` is committed, cancelled, or "" at the end of the log.

    The `wasted_` columns are 0 unless the answer was cancelled: seconds since it began, characters that the
    language model wrote, characters that the voice was given, and seconds of audio that nobody heard.
    """
    rows: list[Row] = []
    under_way: dict[tuple[str | None, str | None, str | None], Row] = {}
    for event in events:
        if not isinstance(event, SpeculationStarted | SpeculationCommitted | SpeculationCancelled):
            continue
        key = (event.turn_id, event.participant_id, event.speech_id)
        if isinstance(event, SpeculationStarted):
            under_way[key] = row_of(event, start_s=event.t, outcome="", reason="", **NOTHING_WASTED)
            rows.append(under_way[key])
            continue
        row = under_way.pop(key, None)
        if row is None:  # its start is missing
            row = row_of(event, text="", reason="", **NOTHING_WASTED)
            rows.append(row)
        row.update(end_s=event.t, outcome=event.type.removeprefix("speculation."))
        if isinstance(event, SpeculationCancelled):
            row.update(
                reason=event.reason,
                wasted_s=event.seconds,
                wasted_written=event.written,
                wasted_characters=event.characters,
                wasted_audio_s=event.audio_s,
            )
    return rows
