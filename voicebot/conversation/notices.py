"""What everyone in a lobby is told of its conversation: codes of `error` events, and words for people."""

from __future__ import annotations

FULL = "conversation_full"
NOT_RECORDED = "recording_stopped"
RECORDED_AGAIN = "recording_resumed"

WORDS = {
    FULL: (
        "This conversation has become very long: its record is closed, and a new one begins.",
        "Go on talking; agents remember what was said.",
    ),
    NOT_RECORDED: (
        "Recording has stopped: the server has no room for it.",
        "Go on talking; who runs the server has to make room.",
    ),
    RECORDED_AGAIN: ("Voices are recorded again.", "The server has room for it again."),
}
"""Message and hint by code. The event's own message, with numbers and settings, is the operator's."""
