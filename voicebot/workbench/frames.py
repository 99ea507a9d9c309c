"""Events as a pandas frame."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from voicebot.events import Event

FIRST = ["conversation_id", "seq", "t", "type", "participant_id", "turn_id", "speech_id"]


def events_frame(events: Iterable[Event]) -> pd.DataFrame:
    """One row per event, in order; `t` in seconds since its conversation began.

    The common columns come first, then every field that occurs; what an event lacks is empty.
    """
    rows = [event.model_dump(exclude={"schema_version"}) for event in events]
    frame = pd.DataFrame(rows)
    rest = [column for column in frame.columns if column not in FIRST]
    return frame.reindex(columns=FIRST + rest)
