"""What everyone in a lobby is told about its conversation: codes of `error` events, with texts for people."""

from __future__ import annotations

FULL = "conversation_full"
NOT_RECORDED = "recording_stopped"
RECORDED_AGAIN = "recording_resumed"

WORDS = {
    FULL: (
        "This conversation has become very long, so a new one begins.",
        "You can go on talking; agents remember what was said.",
    ),
    NOT_RECORDED: (
        "Recording has stopped, because the server has no room for it.",
        "You can go on talking; whoever runs the server has to make room.",
    ),
    RECORDED_AGAIN: ("Voices are recorded again.", "The server has room again."),
}
"""Message and hint by code. The message of the event itself, with numbers and settings, is for operators."""
