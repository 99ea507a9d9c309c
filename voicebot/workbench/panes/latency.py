"""The latency pane: where the time of each agent turn went, with one stacked bar per turn."""

from __future__ import annotations

from voicebot.events import Event, LatencyMeasured, TranscriptFinal
from voicebot.workbench.panes.feed import Feed, source
from voicebot.workbench.panes.participants import ShownParticipants

PARTS = {
    "end_of_turn_delay": "waiting for the end of the turn",
    "transcription_delay": "speech to text",
    "on_user_turn_completed_delay": "preparing the turn",
    "llm_node_ttft": "language model, first token",
    "llm_node_ttfs": "language model, first sentence",
    "tts_node_ttfb": "text to speech, first audio",
    "playback_latency": "playout",
    "unaccounted": "unaccounted",
}
"""The parts of the waterfall, in order of time."""


class LatencyPane(Feed):
    """Rows: {id, t, name, colour, question, e2e, cancelled, parts: [[key, label, seconds], ...]}."""

    _esm = source("feed.js", "latency.js")
    _css = source("theme.css", "latency.css")
    limit = 50

    def __init__(self, participants: ShownParticipants) -> None:
        super().__init__()
        self._participants = participants
        self._question = ""

    def on_event(self, event: Event) -> None:
        """Show a measured turn, and remember the last question."""
        if isinstance(event, TranscriptFinal):
            if self._participants.get(event.participant_id).kind == "human" and event.text.strip():
                self._question = event.text
        elif isinstance(event, LatencyMeasured):
            person = self._participants.get(event.participant_id)
            parts = [
                [key, label, value]
                for key, label in PARTS.items()
                if (value := getattr(event, key)) is not None
            ]
            self.put(
                {
                    "id": f"{event.conversation_id}/{event.seq}",
                    "t": event.t,
                    "name": person.name,
                    "colour": person.colour,
                    "question": self._question,
                    "e2e": event.e2e_latency,
                    "cancelled": event.cancelled,
                    "parts": parts,
                }
            )
