"""The pane of participants: portraits, states, characters, and a button that removes an agent."""

from __future__ import annotations

from voicebot.signaling.messages import ParticipantInfo
from voicebot.workbench.panes.feed import Feed, source
from voicebot.workbench.panes.participants import ShownParticipants


class AgentsPane(Feed):
    """Rows: {id, name, kind, colour, state, character, portrait, notice, ...}."""

    _esm = source("feed.js", "agents.js")
    _css = source("theme.css", "agents.css")
    limit = 64

    def __init__(self, participants: ShownParticipants) -> None:
        super().__init__()
        self._participants = participants

    def show(self, info: ParticipantInfo) -> None:
        """Add or update a participant."""
        person = self._participants.add(info.id, info.name, info.kind)
        self.put({**info.model_dump(), "colour": person.colour})
