"""Who is who in the panes: names and colours that stay the same for a session."""

from __future__ import annotations

from dataclasses import dataclass

COLOURS = 8


@dataclass
class ShownParticipant:
    """A participant as the panes show it; `colour` is an index into the theme's palette."""

    id: str
    name: str
    kind: str
    colour: int


class ShownParticipants:
    """Everyone seen so far. Those who left keep name and colour, for the rows they left behind."""

    def __init__(self) -> None:
        self._participants: dict[str, ShownParticipant] = {}

    def add(self, participant_id: str, name: str, kind: str) -> ShownParticipant:
        """Learn a participant, or its new name."""
        known = self._participants.get(participant_id)
        if known is None:
            known = ShownParticipant(participant_id, name, kind, len(self._participants) % COLOURS)
            self._participants[participant_id] = known
        known.name, known.kind = name, kind
        return known

    def get(self, participant_id: str | None) -> ShownParticipant:
        """The participant; someone unknown gets its id as name."""
        if participant_id is None:
            return ShownParticipant("", "", "", COLOURS - 1)
        return self._participants.get(participant_id) or self.add(participant_id, participant_id, "human")
