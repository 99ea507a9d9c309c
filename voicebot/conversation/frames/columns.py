"""The columns of all pandas frames of conversations."""

from __future__ import annotations

from typing import Any

from voicebot.conversation.frames.latency import PARTS
from voicebot.events import Event

Row = dict[str, Any]
"""A row of a frame, by column. A missing column is empty in the frame, and an unknown one is ignored."""
Rows = dict[str, list[Row]]
"""The rows of all frames, by frame."""

_COLUMNS = {
    "conversations": """
        conversation_id lobby_id lobby_name started_at duration_s ended humans agents turns events problems
        stt_model tts_model llm_model path
    """,
    "participants": "conversation_id participant_id name kind persona_hash joined_s left_s speech_s consent",
    "turns": """
        conversation_id turn_id participant_id name kind utterance_id speech_id start_s end_s text
        planned_text interrupted complete typed language model
    """,
    "words": """
        conversation_id turn_id participant_id utterance_id position word start_s end_s confidence
    """,
    "events": """
        conversation_id seq t_s type participant_id turn_id speech_id cause_seq sample data
    """,
    "latency": f"""
        conversation_id seq turn_id participant_id speech_id t_s {" ".join(f"{part}_s" for part in PARTS)}
        e2e_latency_s cancelled speculated stt_model llm_model tts_model
    """,
    "speculation": """
        conversation_id turn_id participant_id speech_id start_s end_s text outcome reason wasted_s
        wasted_written wasted_characters wasted_audio_s
    """,
    "speech": "conversation_id participant_id turn_id start_s end_s duration_s",
    "endpoints": """
        conversation_id seq t_s participant_id turn_id outcome delay_s reason text probability
    """,
    "audio": "conversation_id participant_id path offset_s duration_s size_bytes",
}
_DTYPES = {
    "bool": "cancelled complete ended interrupted speculated typed",
    "datetime64[us, UTC]": "started_at",
    "float64": "confidence probability",
    "int64": """
        agents events humans position problems seq size_bytes turns wasted_characters wasted_written
    """,
    "Int64": "cause_seq sample",
}
"""The columns of each dtype. Columns in `_s` are float64, too, and all others are str."""
_dtype_of = {column: dtype for dtype, columns in _DTYPES.items() for column in columns.split()}

COLUMNS: dict[str, dict[str, str]] = {
    frame: {c: _dtype_of.get(c, "float64" if c.endswith("_s") else "str") for c in columns.split()}
    for frame, columns in _COLUMNS.items()
}
"""The columns and dtypes of every frame, even an empty one.

`endpoints` has a row for each decision about a pause. `outcome` is predicted (the length of silence that
would end the turn, and why), or confirmed or cancelled (the actual length).
"""


def row_of(event: Event, **columns: Any) -> Row:
    """Return a row with all fields of an event, its time as `t_s`, and these columns."""
    return {**vars(event), "t_s": event.t, **columns}
