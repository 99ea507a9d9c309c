"""The transcript pane: who said what and when, with interim text in grey and interruptions marked."""

from __future__ import annotations

from voicebot.events import (
    ConversationStarted,
    Event,
    ModelSwapped,
    ParticipantJoined,
    ParticipantLeft,
    PlayoutInterrupted,
    TranscriptFinal,
    TranscriptInterim,
    UserChat,
)
from voicebot.workbench.panes.feed import Feed, Row, source
from voicebot.workbench.panes.participants import ShownParticipants


class TranscriptPane(Feed):
    """Rows: {id, kind: speech|chat|note, t, end, name, colour, text, final, interrupted, unheard}."""

    _esm = source("feed.js", "transcript.js")
    _css = source("theme.css", "transcript.css")

    def __init__(self, participants: ShownParticipants) -> None:
        super().__init__()
        self._participants = participants
        self._spoken: dict[str, str] = {}  # speech_id -> row id, the newest few

    def on_event(self, event: Event) -> None:
        """Show an event that belongs in a transcript; ignore others."""
        match event:
            case TranscriptInterim() | TranscriptFinal():
                self._said(event)
            case PlayoutInterrupted():
                self._interrupted(event)
            case UserChat():
                self._line(event, "chat", event.text)
            case ConversationStarted():
                self._line(event, "note", f"Conversation {event.conversation_id} begins")
            case ParticipantJoined():
                self._participants.add(event.participant_id or "", event.name, event.kind)
                self._line(event, "note", f"{event.name} joined")
            case ParticipantLeft():
                self._line(event, "note", f"{self._participants.get(event.participant_id).name} left")
            case ModelSwapped():
                self._line(event, "note", f"{event.role.upper()} is now {event.new} (was {event.old})")
            case _:
                pass

    def _said(self, event: TranscriptInterim | TranscriptFinal) -> None:
        row_id = f"{event.conversation_id}/{event.utterance_id}"
        old = self.row(row_id) or {}
        final = isinstance(event, TranscriptFinal)
        if old.get("final") and not final:
            return
        if final and not event.text.strip() and not old.get("unheard"):
            self.drop(row_id)  # noise without words
            return
        if event.speech_id:
            self._spoken[event.speech_id] = row_id
            while len(self._spoken) > 64:
                del self._spoken[next(iter(self._spoken))]
        self.put(
            {
                **self._base(event, "speech"),
                "id": row_id,
                "t": event.start_t or old.get("t", event.t),
                "end": event.end_t if isinstance(event, TranscriptFinal) else None,
                "text": event.text,
                "final": final,
                "interrupted": getattr(event, "interrupted", False) or old.get("interrupted", False),
                "unheard": old.get("unheard", ""),
            }
        )

    def _interrupted(self, event: PlayoutInterrupted) -> None:
        row_id = self._spoken.get(event.speech_id or "", f"{event.conversation_id}/{event.speech_id}")
        heard, planned = event.heard_text.strip(), event.planned_text.strip()
        old: Row = self.row(row_id) or {**self._base(event, "speech"), "id": row_id, "end": event.t}
        unheard = planned[len(heard) :].strip() if planned.startswith(heard) else ""
        self.put({**old, "text": heard, "final": True, "interrupted": True, "unheard": unheard})

    def _line(self, event: Event, kind: str, text: str) -> None:
        row_id = f"{event.conversation_id}/{event.type}/{event.seq}"
        self.put({**self._base(event, kind), "id": row_id, "text": text, "final": True})

    def _base(self, event: Event, kind: str) -> Row:
        person = self._participants.get(event.participant_id)
        return {
            "kind": kind,
            "t": event.t,
            "name": person.name,
            "who": person.kind,
            "colour": person.colour,
            "participant_id": person.id,
        }
